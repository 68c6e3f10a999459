"""A sweep: one search, the best architecture for each of several latency budgets."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fbsearch.architecture import Architecture
from fbsearch.errors import InvalidInputError
from fbsearch.pipeline.limits import with_budget
from fbsearch.pipeline.pareto_files import SweptArchitecture, write_pareto
from fbsearch.pipeline.searching import choose_predicted, write_search
from fbsearch.records import RunPaths
from fbsearch.search import Limit, Problem, SearchResult, Session, find_method
from fbsearch.spaces import code_names
from fbsearch.train import make_accelerator

_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|%|)")


@dataclass(frozen=True)
class SweepBudget:
    """One of a sweep's budgets.

    Args:
        value: of the unit.
        unit: milliseconds, or per cent of the way from the space's fastest to its slowest architecture.
    """

    value: float
    unit: str

    @property
    def name(self) -> str:
        """As a folder is called: ``budget-5ms``, ``budget-50percent``."""
        return f"budget-{self.value:.10g}{'percent' if self.unit == '%' else self.unit}"

    @property
    def is_of_every_target(self) -> bool:
        """Whether it is a share of each target's range, not a latency of one."""
        return self.unit == "%"

    @property
    def setting(self) -> float | str:
        """As a recipe says it."""
        return f"{self.value:.10g}%" if self.is_of_every_target else self.value

    def settings(self, given: Sequence[float | str]) -> list[float | str]:
        """The targets' budgets as a recipe says them.

        Per cent are of each target's range; milliseconds are of the first, and the others keep their own.

        Args:
            given: of each target.
        """
        if self.is_of_every_target:
            return [self.setting] * len(given)
        return [self.setting, *given[1:]]


def parse_budgets(text: str) -> tuple[SweepBudget, ...]:
    """Budgets as they are written on the command line; a unit holds for those before it that have none.

    >>> [budget.name for budget in parse_budgets("5,8,12ms")]
    ['budget-5ms', 'budget-8ms', 'budget-12ms']

    Raises:
        InvalidInputError: if they are not two or more different latencies or percentages.
    """
    matches = [_BUDGET.fullmatch(part.strip()) for part in text.split(",")]
    remedy = "write two or more different ones, such as 5,8,12ms or 30,50,70%"
    found: list[SweepBudget] = []
    unit = "ms"
    for match in reversed(matches):
        if match is None:
            raise InvalidInputError(f"--budgets {text!r} are no budgets: {remedy}")
        unit = match[2] or unit
        found.append(SweepBudget(float(match[1]), unit))
    budgets = tuple(sorted(found, key=lambda budget: (budget.unit, budget.value)))
    if len(set(budgets)) < max(len(budgets), 2):
        raise InvalidInputError(f"--budgets {text!r}: {remedy}")
    for budget in budgets:
        if not 0 < budget.value <= (100 if budget.unit == "%" else math.inf):
            raise InvalidInputError(
                f"--budgets {text!r}: {budget.value:g}{budget.unit} is out of range; {remedy}"
            )
    return budgets


def swept_limits(
    limits: Sequence[Limit], budget: SweepBudget, given: Sequence[float | str]
) -> tuple[Limit, ...]:
    """The limits of one of a sweep's budgets.

    Args:
        limits: all budgets.
        budget: of the sweep.
        given: the targets' own budgets, in the order of their limits.
    """
    settings = iter(budget.settings(given))
    return tuple(limit if limit.target is None else with_budget(limit, next(settings)) for limit in limits)


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
            accuracy="validation, as the search knows it",
        )


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
                accuracy=finalist.val_accuracy,
                predicted_us=finalist.predicted_us[target],
                measured_us=None,
                is_chosen=is_chosen,
            )
    return list(found.values())
