"""Supernet steps: the plain loop over candidates in NCHW against fbsearch's soft and sampled modes.

    python tools/bench/supernet.py --space fbnet --batch 4 --threads 2 --rounds 9

Times are of one training step (forward, cross-entropy, backward), interleaved in one process; in each round
every mode makes an untimed step and a timed one. Ratios are of medians. Memory is the rise of the peak
resident size (on a GPU: of the peak allocation) over a step, each mode in a process of its own. The plain
loop and the soft mode compute the same mixture; their largest difference is printed.
"""

from __future__ import annotations

import argparse
import copy
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from fbsearch.nn import ArchitectureDistribution, MixedOperation, Supernet
from fbsearch.spaces import load_space

MODES = ("plain", "soft", "sampled")


def plain_loop(supernet: Supernet, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    x = supernet.stem(x)
    for row, slot in zip(weights, supernet.slots, strict=True):
        assert isinstance(slot, MixedOperation)
        x = sum(m * candidate(x) for m, candidate in zip(row, slot.candidates, strict=False))
    return supernet.head(x)


class Bench:
    """The supernet in both memory formats, and one step of each mode."""

    def __init__(self, args: argparse.Namespace, modes: tuple[str, ...]) -> None:
        torch.manual_seed(0)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        space = load_space(args.space)
        supernet = Supernet(space).to(self.device)
        self.distribution = ArchitectureDistribution.of(space).to(self.device)
        images = torch.randn(args.batch, space.in_channels, space.resolution, space.resolution).to(
            self.device
        )
        self.labels = torch.randint(space.num_classes, (args.batch,)).to(self.device)
        self.plain = copy.deepcopy(supernet) if "plain" in modes else None
        self.images = images
        self.fast = supernet.to(memory_format=torch.channels_last)
        self.fast_images = images.to(memory_format=torch.channels_last)
        self.steps = 0

    def forward(self, mode: str) -> Callable[[], torch.Tensor]:
        sampling = "sampled" if mode == "sampled" else "soft"
        seed = torch.Generator().manual_seed(self.steps)
        sample = self.distribution.sample(temperature=5.0, mode=sampling, generator=seed)
        if mode == "plain":
            assert self.plain is not None
            plain = self.plain
            return lambda: plain_loop(plain, self.images, sample.weights)
        return lambda: self.fast(self.fast_images, sample.weights, sample.paths)

    def step(self, mode: str) -> tuple[float, torch.Tensor]:
        forward = self.forward(mode)
        network = self.plain if mode == "plain" else self.fast
        network.zero_grad(set_to_none=True)
        self.synchronize()
        start = time.perf_counter()
        logits = forward()
        functional.cross_entropy(logits, self.labels).backward()
        self.synchronize()
        return time.perf_counter() - start, logits.detach()

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def peak_memory(mode: str, args: argparse.Namespace) -> int:
    """Bytes by which a process' peak rises over its steps in one mode."""
    torch.set_num_threads(args.threads)
    bench = Bench(args, (mode,))
    if bench.device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    else:
        before = resident_peak()
    for bench.steps in range(3):
        bench.step(mode)
    return (torch.cuda.max_memory_allocated() if bench.device.type == "cuda" else resident_peak()) - before


def resident_peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="fbnet")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    memory = {}
    for mode in MODES:
        with context.Pool(1) as pool:
            memory[mode] = pool.apply(peak_memory, (mode, args))
    torch.set_num_threads(args.threads)
    bench = Bench(args, MODES)
    difference = 0.0
    seconds: dict[str, list[float]] = {mode: [] for mode in MODES}
    for bench.steps in range(args.rounds + 1):
        outputs = {}
        for mode in MODES:
            bench.step(
                mode
            )  # untimed: a step finds the memory as another mode left it, which no training does
            elapsed, outputs[mode] = bench.step(mode)
            if bench.steps:  # the first round warms up
                seconds[mode].append(elapsed)
        difference = max(difference, float((outputs["plain"] - outputs["soft"]).abs().max()))
    medians = {mode: statistics.median(values) for mode, values in seconds.items()}
    result = {
        "device": torch.cuda.get_device_name() if bench.device.type == "cuda" else "cpu",
        "space": args.space,
        "batch": args.batch,
        "threads": args.threads,
        "torch": torch.__version__,
        "max_abs_diff": difference,
        "median_s": medians,
        "images_per_s": {mode: args.batch / value for mode, value in medians.items()},
        "peak_mib": {mode: value / 2**20 for mode, value in memory.items()},
        "plain_over_soft": medians["plain"] / medians["soft"],
        "sampled_over_soft": medians["sampled"] / medians["soft"],
        "sampled_over_soft_memory": memory["sampled"] / memory["soft"],
        "seconds": seconds,
    }
    if args.json:
        print(json.dumps(result, indent=1))
        return
    for mode in MODES:
        print(
            f"{mode:8} {medians[mode]:8.3f} s a step {args.batch / medians[mode]:8.1f} images/s "
            f"{memory[mode] / 2**20:8.0f} MiB"
        )
    print(f"plain / soft {result['plain_over_soft']:.2f}, largest difference of logits {difference:.2g}")
    print(
        f"sampled / soft: time {result['sampled_over_soft']:.3f}, "
        f"memory {result['sampled_over_soft_memory']:.3f}"
    )


if __name__ == "__main__":
    main()
