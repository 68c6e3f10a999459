"""Zen-Scores per second: ours against two plain runs, in turns, in one process.

    python tools/bench/zen_speed.py                                # the released CIFAR and ImageNet networks
    python tools/bench/zen_speed.py --network cifar --profile      # where our time goes
    python tools/bench/zen_speed.py --json                         # for scripts

The plain way is the one of the release, in fp32: modules built and initialised, weights from N(0, 1), x and
x + γε run one after the other, NCHW, without gradients, the norms' variances read one by one; here of the
batch. Both ways are also given the same weights and images, and compared with float64.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fbsearch.architecture import Architecture
from fbsearch.nn import Network
from fbsearch.proxies import find_proxy, subject_of
from fbsearch.proxies.normal import draw_weights
from fbsearch.proxies.residuals import remove_residuals
from fbsearch.proxies.zen.paired_norm import pair_norms
from fbsearch.proxies.zen.score import perturbed_pair, run_pair, variance_term
from fbsearch.spaces import load_architecture


@dataclass(frozen=True)
class Case:
    """A released network and the batch that it is scored with."""

    name: str
    structure: str
    resolution: int
    num_classes: int
    batch_size: int

    def architecture(self) -> Architecture:
        return load_architecture(self.structure, resolution=self.resolution, num_classes=self.num_classes)


CASES = (
    Case(
        "cifar",
        "SuperConvK3BNRELU(3,64,1,1)SuperResK1K5K1(64,168,1,16,3)SuperResK1K3K1(168,80,2,32,4)"
        "SuperResK1K5K1(80,112,2,16,3)SuperResK1K5K1(112,144,1,24,3)SuperResK1K3K1(144,32,2,40,1)"
        "SuperConvK1BNRELU(32,512,1,1)",
        resolution=32,
        num_classes=10,
        batch_size=64,
    ),
    Case(
        "imagenet",
        "SuperConvK3BNRELU(3,16,2,1)SuperResIDWE1K7(16,40,2,40,1)SuperResIDWE1K7(40,64,2,64,1)"
        "SuperResIDWE4K7(64,96,2,96,5)SuperResIDWE2K7(96,224,2,224,5)SuperConvK1BNRELU(224,2048,1,1)",
        resolution=224,
        num_classes=1000,
        batch_size=16,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=[case.name for case in CASES])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", action="store_true", help="print where our time goes")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = [measure(case, args) for case in CASES if args.network in (None, case.name)]
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            tell(row)


def measure(case: Case, args: argparse.Namespace) -> dict[str, Any]:
    architecture = case.architecture()
    ours, plain = ways(architecture, case.batch_size)
    ratios, seconds = interleaved(ours, plain, args.rounds)
    row: dict[str, Any] = {
        "network": case.name,
        "batch_size": case.batch_size,
        "threads": args.threads,
        "scores_per_second": 1 / statistics.median(seconds["ours"]),
        "plain_scores_per_second": 1 / statistics.median(seconds["plain"]),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "agreement": agreement(architecture, case.batch_size, args.seed),
    }
    if args.profile:
        row["profile"] = profile(ours)
    return row


def ways(architecture: Architecture, batch_size: int) -> tuple[Callable[[], float], Callable[[], float]]:
    generator = torch.Generator().manual_seed(0)
    zen, subject = find_proxy("zen"), subject_of(architecture)
    return (
        lambda: zen.score(subject, generator=generator, batch_size=batch_size),
        lambda: plain_score(architecture, generator, batch_size),
    )


def interleaved(
    ours: Callable[[], float], plain: Callable[[], float], rounds: int
) -> tuple[list[float], dict[str, list[float]]]:
    """Seconds of both ways, taken in turns, and the ratios plain / ours of each turn."""
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    for turn in range(rounds + 1):
        for name, way in (("ours", ours), ("plain", plain)):
            start = time.perf_counter()
            way()
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    ratios = [slow / fast for slow, fast in zip(seconds["plain"], seconds["ours"], strict=True)]
    return ratios, seconds


def plain_score(architecture: Architecture, generator: torch.Generator, batch_size: int) -> float:
    network = Network(architecture)
    remove_residuals(network)
    draw_weights(network, generator)
    pair = perturbed_pair(subject_of(architecture), generator, batch_size)
    log_difference, variances = two_runs(network, pair)
    return log_difference + sum(math.log(one) for one in variances) / 2


@torch.no_grad()
def two_runs(network: Network, pair: Tensor) -> tuple[float, list[float]]:
    """ln Δ, and the mean batch variance of each norm."""
    variances: list[float] = []

    def note(norm: nn.BatchNorm2d, _: Any, output: Tensor) -> None:
        count = output.numel() // output.shape[1]
        variances.append(float(norm.running_var.mean()) * (count - 1) / count)

    hooks = []
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0  # running_var is then the batch's own, unbiased
            hooks.append(part.register_forward_hook(note))
    network.train()
    x, moved = pair.chunk(2)
    first = network.features(x)
    for hook in hooks:
        hook.remove()
    difference = first - network.features(moved)
    return math.log(float(difference.abs().sum((1, 2, 3)).mean())), variances


def agreement(architecture: Architecture, batch_size: int, seed: int) -> dict[str, float]:
    """How far both ways lie from float64, with the same weights and images."""
    generator = torch.Generator().manual_seed(seed)
    subject = subject_of(architecture)
    network = Network(architecture)
    remove_residuals(network)
    draw_weights(network, generator)
    pair = perturbed_pair(subject, generator, batch_size)
    exact = zen_of(*two_runs(copy.deepcopy(network).double(), pair.double()))
    plain = zen_of(*two_runs(copy.deepcopy(network), pair))
    seen = pair_norms(network.eval())
    difference = run_pair(network, pair, seen)
    first, second = difference.chunk(2)
    log_difference = math.log(float((first - second).abs().sum((1, 2, 3)).mean()))
    ours = log_difference + variance_term(seen, False)
    return {"float64": exact, "ours_minus_float64": ours - exact, "plain_minus_float64": plain - exact}


def zen_of(log_difference: float, variances: list[float]) -> float:
    return log_difference + sum(math.log(one) for one in variances) / 2


def profile(way: Callable[[], float]) -> dict[str, float]:
    """Shares of our time by operation, largest first."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        way()
    events = sorted(profiler.key_averages(), key=lambda one: -one.self_cpu_time_total)
    total = sum(one.self_cpu_time_total for one in events)
    return {one.key: one.self_cpu_time_total / total for one in events[:12]}


def tell(row: dict[str, Any]) -> None:
    print(
        f"{row['network']}, batch {row['batch_size']}, {row['threads']} threads: "
        f"{row['scores_per_second']:.3g} scores/s against {row['plain_scores_per_second']:.3g}: "
        f"{row['ratio']:.2f}x, median of {len(row['ratios'])} ({min(row['ratios']):.2f} to "
        f"{max(row['ratios']):.2f})"
    )
    same = row["agreement"]
    print(
        f"  same weights and images: {same['float64']:.4f} in float64, "
        f"ours {same['ours_minus_float64']:+.4f}, plain {same['plain_minus_float64']:+.4f}"
    )
    for name, share in row.get("profile", {}).items():
        print(f"  {share:6.1%}  {name}")


if __name__ == "__main__":
    main()
