"""What a search by scores found against random networks of the same budget, trained alike: whose accuracy?

    python tools/bench/against_random.py RUN --space zen_cifar --budget params=1M --data cifar10.zip \\
        --random 3 --limit 4000 --epochs 10 --out against.json
    python tools/bench/against_random.py RUN --space SPACE.yaml --table T.json --budget-ms 2 \\
        --data cifar10.zip --out against.json

RUN is the folder of 'fbsearch search'. Random networks are drawn from the space within every budget, and
then mutated at random until they use 80 % of one (--use). All are trained by 'fbsearch train' with the
same settings, images and seed, in folders beside OUT; interrupted, the same command goes on. Accuracies are
of the test images.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fbsearch.architecture import Architecture
from fbsearch.costs import count_architecture
from fbsearch.errors import BudgetError
from fbsearch.latency import LatencyTable
from fbsearch.pipeline.choice.limits import table_limits
from fbsearch.pipeline.recipe import BudgetSettings
from fbsearch.records import RunPaths
from fbsearch.search import Limit
from fbsearch.spaces import Space, load_space


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--space", required=True)
    parser.add_argument("--budget", action="append", default=[], help="Such as params=1M; repeatable.")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--budget-ms", type=float)
    parser.add_argument("--use", type=float, default=0.8)
    parser.add_argument("--data", required=True)
    parser.add_argument("--random", type=int, default=3)
    parser.add_argument("--limit", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    space = load_space(args.space)
    limits = limits_of(space, args)
    networks = {"found": Architecture.load(RunPaths(args.run).architecture)}
    for number in range(args.random):
        networks[f"random-{number}"] = space.decode(draw(space, limits, args.use, args.seed, number))
    rows = []
    for name, network in networks.items():
        rows.append({"name": name, **describe(space, limits, network), **train(name, network, args)})
        print(json.dumps(rows[-1]), flush=True)
        args.out.write_text(json.dumps({"settings": settings_of(args), "networks": rows}, indent=1))
    tell(rows)


def limits_of(space: Space, args: argparse.Namespace) -> tuple[Limit, ...]:
    fields = dict(one.split("=", 1) for one in args.budget)
    limits = BudgetSettings.model_validate(fields).limits(space, [])
    if args.table is None:
        return limits
    return (*table_limits(space, [LatencyTable.load(args.table)], [args.budget_ms]), *limits)


def draw(space: Space, limits: Sequence[Limit], use: float, seed: int, number: int) -> tuple[int, ...]:
    """A random code within the budgets that uses enough of one: a walk of mutations from a random one.

    Draws from an open space begin near its first structure, which may be far below the budget; mutations that
    keep the budgets lead from there to those that use it, whatever they are worth.
    """
    rng = np.random.default_rng([seed, 9, number])
    code = next((one for one in (space.sample(rng) for _ in range(10_000)) if admitted(limits, one)), None)
    if code is None:
        raise BudgetError("none of 10,000 draws keeps the budgets: raise one")
    for _ in range(20_000):
        if max(limit.cost.of(code) / limit.bound for limit in limits) >= use:
            return code
        changed = space.mutate(code, rng)
        if admitted(limits, changed):
            code = changed
    raise BudgetError(f"20,000 mutations within the budgets do not use {use:.0%} of one: lower --use")


def admitted(limits: Sequence[Limit], code: Sequence[int]) -> bool:
    return all(limit.admits(code) for limit in limits)


def describe(space: Space, limits: Sequence[Limit], network: Architecture) -> dict[str, Any]:
    counts, code = count_architecture(network), space.encode(network)
    return {
        "num_params": counts.num_params,
        "num_macs": counts.num_macs,
        "budgets": {limit.name: [limit.cost.of(code), limit.bound] for limit in limits},
    }


def train(name: str, network: Architecture, args: argparse.Namespace) -> dict[str, Any]:
    paths = RunPaths(args.out.with_suffix("") / name)
    if not paths.train_result.exists():
        paths.root.mkdir(parents=True, exist_ok=True)
        source = paths.root / "network.json"
        network.save(source)
        settings = [f"epochs={args.epochs}", f"batch_size={args.batch_size}"]
        command = [
            *(sys.executable, "-m", "fbsearch", "train", str(source), "--data", args.data),
            *("--limit", str(args.limit), "--seed", str(args.seed), "--out", str(paths.root), "--resume"),
            *(part for one in settings for part in ("--set", one)),
        ]
        subprocess.run(command, check=True)
    result = json.loads(paths.train_result.read_text())
    return {"test_accuracy": result["test"]["top1"]}


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}


def tell(rows: Sequence[dict[str, Any]]) -> None:
    found, *others = (row["test_accuracy"] for row in rows)
    beaten = sum(found > other for other in others)
    print(
        f"found {found:.2%}; random {', '.join(f'{one:.2%}' for one in others)}: "
        f"better than {beaten} of {len(others)}"
    )


if __name__ == "__main__":
    main()
