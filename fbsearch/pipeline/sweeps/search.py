"""A sweep: one search, the best architecture for each of several latency budgets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fbsearch.architecture import Architecture
from fbsearch.pipeline.choice.searching import choose_predicted, write_search
from fbsearch.pipeline.sweeps.budgets import SweepBudget
from fbsearch.pipeline.sweeps.pareto_files import SCORE, SEARCHED, SweptArchitecture, Worth, write_pareto
from fbsearch.records import RunPaths
from fbsearch.search import Limit, Problem, SearchResult, Session, find_method
from fbsearch.spaces import code_names
from fbsearch.train import make_accelerator


def run_sweep(
    problem: Problem,
    swept: Mapping[SweepBudget, tuple[Limit, ...]],
    *,
    out: Path,
    resume: bool,
    progress: bool,
) -> Mapping[SweepBudget, SearchResult] | None:
    """Search once, choose for each budget, and write the results and a Pareto front for each target.

    Args:
        problem: what to search, with limits merged from the sweep's.
        swept: the limits of each budget, each kept by an architecture.
        out: the sweep's folder; each budget has its own in it.
        resume: go on from a checkpoint.
        progress: show progress.

    Returns:
        A result for each budget; None in all processes but the main one.

    Raises:
        BudgetError: if no architecture keeps one of the budgets.
        DataError, TrainingError, CheckpointError: as the search raises them.
    """
    accelerator = make_accelerator(problem.settings.precision)
    searched = find_method(problem.settings.method).search(
        problem, Session(RunPaths(out).search, resume, accelerator, progress)
    )
    results: dict[SweepBudget, SearchResult] = {}
    if accelerator.is_main_process:
        for budget, limits in swept.items():
            results[budget] = choose_predicted(searched, limits)
            write_search(searched, results[budget], RunPaths(out / budget.name))
        _write_fronts(out, results)
    accelerator.wait_for_everyone()
    return results if accelerator.is_main_process else None


def _write_fronts(out: Path, results: Mapping[SweepBudget, SearchResult]) -> None:
    targets = [limit.target for limit in next(iter(results.values())).limits if limit.target is not None]
    for number, target in enumerate(targets, start=1):
        write_pareto(
            out,
            _architectures(results, target),
            number=number,
            budgets_us=[_budget_us(result, target) for result in results.values()],
            worth=_worth_of(results),
        )


def _worth_of(results: Mapping[SweepBudget, SearchResult]) -> Worth:
    is_scored = next(iter(results.values())).winner.score is not None
    return SCORE if is_scored else SEARCHED


def _budget_us(result: SearchResult, target: str) -> float:
    return next(limit.bound for limit in result.limits if limit.target == target)


def _architectures(results: Mapping[SweepBudget, SearchResult], target: str) -> list[SweptArchitecture]:
    """What was chosen, budget by budget, and every other finalist once, with their latencies on a target."""
    winners = {result.winner.architecture for result in results.values()}
    found: dict[tuple[Architecture, str | None], SweptArchitecture] = {}
    for budget, result in results.items():
        for index, finalist in enumerate(result.finalists):
            is_chosen = index == result.chosen
            if finalist.architecture in winners and not is_chosen:
                continue
            key = (finalist.architecture, budget.name if is_chosen else None)
            found[key] = SweptArchitecture(
                folder=budget.name if is_chosen else None,
                budget_us=_budget_us(result, target),
                names=code_names(result.space, finalist.code),
                accuracy=finalist.worth,
                predicted_us=finalist.predicted_us[target],
                measured_us=None,
                is_chosen=is_chosen,
            )
    return list(found.values())
