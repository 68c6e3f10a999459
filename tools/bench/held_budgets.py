"""Searches at random budgets: does the exported model, as measured, keep each, and how much of it is used?

    python tools/bench/held_budgets.py --out runs/held --runs 20
    python tools/bench/held_budgets.py --out runs/held-short --runs 5 --set search.epochs=10

Each is a whole run (fbsearch run): search, training, export, measurement of the exported model on the device,
with the next best in its place where it is over. Its budget is drawn evenly from the space's whole range on
this device, and its seed is its number. All share one table, measured and calibrated first. Interrupted, the
same command goes on. The summary lands in OUT/summary.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from fbsearch.costs import latency_cost
from fbsearch.errors import BudgetError
from fbsearch.files import read_json, write_json
from fbsearch.latency import LatencyTable
from fbsearch.pipeline import Run, load_recipe
from fbsearch.pipeline.choice.attempts import load_attempts
from fbsearch.pipeline.recipe import Recipe
from fbsearch.records import RunPaths, Verification, read_record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", default="quickstart")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    args = parser.parse_args()
    first = Run(recipe_for(args), args.out / "table", progress=False, notify=print)
    with first.claimed(resume=True):
        first.measure_table()
    table = first.paths.table()
    least, greatest = latency_cost(first.space, LatencyTable.load(table)).range()
    rng = np.random.default_rng(args.seed)
    rows: list[dict[str, Any]] = []
    for number, budget_us in enumerate(rng.uniform(least, greatest, args.runs)):
        settings = [f"budget_ms={budget_us / 1000:.5f}", f"seed={number}", f"profile.table={table}"]
        folder = args.out / f"run-{number:02d}"
        try:
            Run(recipe_for(args, *settings), folder, progress=False, notify=print).execute(resume=True)
        except BudgetError as error:
            print(error)  # a row all the same: keeps_budget is false
        rows.append(row_of(RunPaths(folder), number))
        print(json.dumps(rows[-1]), flush=True)
    write_json(args.out / "summary.json", rows)
    summarise(rows, least / 1000, greatest / 1000)


def recipe_for(args: argparse.Namespace, *settings: str) -> Recipe:
    return load_recipe(args.recipe, [*args.settings, *settings])


def row_of(paths: RunPaths, number: int) -> dict[str, Any]:
    verification = read_record(paths.verification(), Verification)
    assert verification.budget_ms is not None and verification.predicted_ms is not None
    return {
        "run": number,
        "budget_ms": verification.budget_ms,
        "predicted_ms": verification.predicted_ms,
        "measured_ms": verification.measured_ms,
        "keeps_budget": verification.keeps_budget,
        "used": verification.measured_ms / verification.budget_ms,
        "exports": len(load_attempts(paths)) + 1,
        "num_finalists": len(read_json(paths.search_result)["finalists"]),
        "test_accuracy": verification.test_accuracy,
    }


def summarise(rows: list[dict[str, Any]], least_ms: float, greatest_ms: float) -> None:
    used = [row["used"] for row in rows]
    errors = [row["predicted_ms"] / row["measured_ms"] - 1 for row in rows]
    num_kept = sum(row["keeps_budget"] for row in rows)
    print(
        f"budgets drawn from {least_ms:.4f} to {greatest_ms:.4f} ms: {num_kept} of {len(rows)} kept, "
        f"{sum(row['exports'] > 1 for row in rows)} with another model than the first\n"
        f"used of the budget: median {statistics.median(used):.1%}, from {min(used):.1%} to {max(used):.1%}\n"
        f"predicted against measured: mean {statistics.mean(errors):+.1%}, "
        f"mean of the sizes {statistics.mean(map(abs, errors)):.1%}"
    )


if __name__ == "__main__":
    main()
