"""Searches at several budgets on real images: is the budget kept, does accuracy rise, is the search worth it?

    python tools/bench/budgets.py --data cifar10.zip --out runs/budgets --limit 6000 --budgets 20% 45% 70%

Each budget and seed is a whole run (fbsearch run): search, training from scratch, export, measurement on the
device. Beside the tightest budget stands, for each seed, a random architecture of the same predicted latency
(within 3 %), trained and measured the same way. All share one table. Interrupted, the same command goes on.
The summary lands in OUT/summary.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from fbsearch.architecture import Architecture
from fbsearch.costs import AdditiveCost, latency_cost
from fbsearch.devices import find_device
from fbsearch.errors import BudgetError, CheckpointError
from fbsearch.files import read_json, write_json
from fbsearch.latency import LatencyTable
from fbsearch.pipeline import Run, load_recipe
from fbsearch.pipeline.recipe import Recipe
from fbsearch.pipeline.stages.exporting import run_export
from fbsearch.pipeline.stages.inputs import augmentation_of
from fbsearch.pipeline.stages.training import run_training
from fbsearch.pipeline.stages.verifying import run_verification
from fbsearch.records import InputRecord, RunPaths, Verification, read_record, write_record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", default="cifar10")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--budgets", nargs="+", default=["20%", "45%", "70%"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    args = parser.parse_args()
    table = args.out / "table.json"
    first = recipe_for(args, args.budgets[0], 0)
    if not table.exists():
        run = Run(first, args.out / "table", progress=False, notify=print)
        run.profile_into(table)
    rows: list[dict[str, Any]] = []
    for budget in args.budgets:
        for seed in range(args.seeds):
            folder = args.out / f"budget-{budget.rstrip('%')}-seed-{seed}"
            recipe = recipe_for(args, budget, seed, table)
            try:
                Run(recipe, folder, progress=False, notify=print).execute(resume=True)
            except BudgetError as error:
                print(error)  # a row of its own: keeps_budget is false
            rows.append(row_of(folder, budget, seed, "searched"))
            print(json.dumps(rows[-1]), flush=True)
    for seed in range(args.seeds):
        searched = args.out / f"budget-{args.budgets[0].rstrip('%')}-seed-{seed}"
        folder = args.out / f"random-{args.budgets[0].rstrip('%')}-seed-{seed}"
        train_random(recipe_for(args, args.budgets[0], seed, table), searched, folder, seed)
        rows.append(row_of(folder, args.budgets[0], seed, "random"))
        print(json.dumps(rows[-1]), flush=True)
    write_json(args.out / "summary.json", rows)
    for source, budget in dict.fromkeys((row["source"], row["budget"]) for row in rows):
        chosen = [row for row in rows if (row["source"], row["budget"]) == (source, budget)]
        accuracies = [row["test_accuracy"] for row in chosen]
        print(
            f"{source:9}{budget:>5}: "
            f"budget {statistics.mean(row['budget_ms'] for row in chosen):.4f} ms, measured "
            f"{', '.join(format(row['measured_ms'], '.4f') for row in chosen)} ms; accuracy "
            f"{statistics.mean(accuracies):.2%} ({', '.join(format(value, '.2%') for value in accuracies)})"
        )


def recipe_for(args: argparse.Namespace, budget: str, seed: int, table: Path | None = None) -> Recipe:
    overrides = [f"data.source={args.data}", f"budget_ms={budget}", f"seed={seed}"]
    if args.limit is not None:
        overrides.append(f"data.limit={args.limit}")
    if table is not None:
        overrides.append(f"profile.table={table}")
    return load_recipe(args.recipe, [*overrides, *args.settings])


def row_of(folder: Path, budget: str, seed: int, source: str) -> dict[str, Any]:
    verification = read_json(folder / "verification.json")
    result = read_json(folder / "train" / "result.json")
    return {
        "budget": budget,
        "seed": seed,
        "source": source,
        "budget_ms": verification["budget_ms"],
        "predicted_ms": verification["predicted_ms"],
        "measured_ms": verification["measured_ms"],
        "keeps_budget": verification["keeps_budget"],
        "test_accuracy": result["test"]["top1"],
        "num_macs": result["num_macs"],
        "num_params": result["num_params"],
    }


def train_random(recipe: Recipe, searched: Path, folder: Path, seed: int) -> None:
    """A random architecture as fast as the one that was found, trained and measured as that one was."""
    paths, found = RunPaths(folder), RunPaths(searched)
    try:
        read_record(paths.verification(), Verification)
        return
    except CheckpointError:
        pass  # not there yet
    run = Run(recipe, folder, progress=False, notify=print)
    latency = latency_cost(run.space, LatencyTable.load(found.table()))
    target = latency.of(run.space.encode(Architecture.load(found.architecture)))
    architecture = run.space.decode(random_within(latency, target, np.random.default_rng([seed, 9])))
    architecture.save(paths.architecture)
    run_training(
        architecture,
        data=run.data,
        inputs=InputRecord.of(recipe.data, run.data, recipe.seed),
        augmentation=augmentation_of(recipe.data, run.data),
        settings=recipe.train,
        seed=recipe.seed,
        paths=paths,
        resume=True,
        progress=False,
    )
    run_export(folder, paths.model("tflite"))
    verification = run_verification(
        paths.model("tflite"),
        paths=paths,
        device=find_device(recipe.device.name),
        device_settings=recipe.device,
        protocol=recipe.profile.protocol,
        settings=recipe.verify,
        data=run.data,
        budget_ms=read_record(found.verification(), Verification).budget_ms,
        seed=recipe.seed,
    )
    write_record(paths.verification(), verification)


def random_within(latency: AdditiveCost, target_us: float, rng: np.random.Generator) -> tuple[int, ...]:
    """Uniformly random choices whose latency is within 3 % of the target, by rejection."""
    slots = np.arange(len(latency.coefficients))
    sizes = (~np.isnan(latency.coefficients)).sum(axis=1)
    for _ in range(200):
        choices = (rng.random((10_000, len(slots))) * sizes).astype(int)
        totals = latency.fixed + latency.coefficients[slots, choices].sum(axis=1)
        near = np.flatnonzero(np.abs(totals / target_us - 1) <= 0.03)
        if len(near):
            return tuple(int(i) for i in choices[near[0]])
    raise SystemExit(f"no random architecture within 3 % of {target_us:.1f} us in two million draws")


if __name__ == "__main__":
    main()
