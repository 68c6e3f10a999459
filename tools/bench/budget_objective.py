"""How far from its budget a search's expected latency ends, over seeds, budgets and processors' rounding.

    python tools/bench/budget_objective.py --seeds 20
    python tools/bench/budget_objective.py --seeds 5 --capabilities default --shares 0.75

Each search is short and noisy on purpose: three slots, invented latencies, 40 epochs, some 270 steps of theta
on batches of 8 digits, budgets at shares of the space's range. Rounding differs with the instructions that
PyTorch uses, and a search differs with it as much as it does with another seed. So the same searches run once
for each value of ATEN_CPU_CAPABILITY, each in a process of its own; ``native`` is what the machine has. A
search's figures are its relative excess, E[LAT] / B - 1, and the cross-entropy that theta met.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from fbsearch.costs import AdditiveCost
from fbsearch.data import load_data
from fbsearch.search import Limit, Problem, Session
from fbsearch.search.relaxed import DnasSettings, search_supernet
from fbsearch.spaces import parse_definition
from fbsearch.train import make_accelerator

SPACE = parse_definition(
    {
        "name": "tiny",
        "resolution": 8,
        "in_channels": 1,
        "num_classes": 10,
        "stem": {"channels": 8, "stride": 1},
        "stages": [{"channels": 8, "layers": 3}],
        "candidates": ["k3_e1", "k3_e3", "k5_e6", "skip"],
    },
    source="bench",
).build()
LATENCY = AdditiveCost("latency_us", 751.95, np.array([[164.55, 210.3, 124.55, 0.0]] * 3))
SETTINGS = DnasSettings(
    mode="sampled",
    epochs=40,
    warmup_epochs=1,
    batch_size=8,
    learning_rate=0.05,
    architecture_learning_rate=0.1,
    num_finalists=1,
)


@dataclass(frozen=True)
class Outcome:
    """How one search ended: its excess; of the last ten epochs, the excess's rms and the cross-entropy."""

    capability: str
    share: float
    seed: int
    excess: float
    wander: float
    loss: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.5, 0.75])
    parser.add_argument("--capabilities", nargs="+", default=["default", "avx2", "native"])
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        for outcome in searches(args.worker, args.shares, args.seeds):
            print(json.dumps(asdict(outcome)), flush=True)
        return
    outcomes = [one for name in args.capabilities for one in in_own_process(name, args.shares, args.seeds)]
    print_spreads(outcomes)


def in_own_process(capability: str, shares: Iterable[float], num_seeds: int) -> list[Outcome]:
    """The searches of one capability: PyTorch reads it once, when it is imported."""
    environment = {name: value for name, value in os.environ.items() if name != "ATEN_CPU_CAPABILITY"}
    if capability != "native":
        environment["ATEN_CPU_CAPABILITY"] = capability
    command = [sys.executable, __file__, "--worker", capability, "--seeds", str(num_seeds), "--shares"]
    said = subprocess.run(
        [*command, *map(str, shares)], env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return [Outcome(**json.loads(line)) for line in said.splitlines()]


def searches(capability: str, shares: Iterable[float], num_seeds: int) -> Iterator[Outcome]:
    """One search for each share and seed, in this process."""
    torch.set_num_threads(1)
    for share in shares:
        for seed in range(num_seeds):
            yield outcome_of(capability, share, seed)


def outcome_of(capability: str, share: float, seed: int) -> Outcome:
    least, greatest = LATENCY.range()
    budget_us = least + share * (greatest - least)
    epochs = search(budget_us, seed)
    excess = np.array([epoch["expected_latency_us"] / budget_us - 1 for epoch in epochs])
    wander = float(np.sqrt(np.mean(excess[-10:] ** 2)))
    loss = float(np.mean([epoch["val_loss"] for epoch in epochs[-10:]]))
    return Outcome(capability, share, seed, float(excess[-1]), wander, loss)


def search(budget_us: float, seed: int) -> list[dict[str, float]]:
    """What one search logged, epoch by epoch."""
    with tempfile.TemporaryDirectory() as folder:
        problem = Problem(
            space=SPACE,
            limits=(Limit(LATENCY, budget_us, target="bench"),),
            data=load_data("digits", resolution=8, in_channels=1, seed=0, limit=300),
            augmentation=None,
            settings=SETTINGS,
            seed=seed,
        )
        search_supernet(problem, Session(Path(folder), False, make_accelerator("fp32"), progress=False))
        lines = (Path(folder) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def print_spreads(outcomes: list[Outcome]) -> None:
    """A row for each capability and share, over the seeds."""
    print("| capability | share | mean | rms | worst | outside 5 % | last ten epochs: rms | cross-entropy |")
    print("|---|---|---|---|---|---|---|---|")
    for capability, share in dict.fromkeys((one.capability, one.share) for one in outcomes):
        these = [one for one in outcomes if (one.capability, one.share) == (capability, share)]
        excess = np.array([one.excess for one in these])
        wander = np.sqrt(np.mean([one.wander**2 for one in these]))
        print(
            f"| {capability} | {share} | {excess.mean():+.2%} | {np.sqrt(np.mean(excess**2)):.2%} "
            f"| {max(excess, key=abs):+.2%} | {(abs(excess) > 0.05).sum()} of {len(these)} | {wander:.2%} "
            f"| {np.mean([one.loss for one in these]):.3f} |"
        )


if __name__ == "__main__":
    main()
