"""A sweep: one supernet, the best architecture for each of several latency budgets."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fbsearch.costs import AdditiveCost
from fbsearch.data import Augmentation, DataSplits
from fbsearch.errors import InvalidInputError
from fbsearch.pipeline.pareto_files import SweptArchitecture, write_pareto
from fbsearch.pipeline.recipe import latency_budget_us
from fbsearch.pipeline.searching import write_search
from fbsearch.records import RunPaths
from fbsearch.search import Limit, SearchResult, SearchSettings, search_layerwise
from fbsearch.spaces import LayerwiseSpace
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
    def setting(self) -> float | str:
        """As a recipe says it."""
        return self.value if self.unit == "ms" else f"{self.value:.10g}%"

    def us(self, range_us: tuple[float, float]) -> float:
        """In microseconds, in a space of this range."""
        return latency_budget_us(self.setting, range_us)


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


def middle_us(budgets_us: Sequence[float]) -> float:
    """What the supernet of a sweep is driven to: the geometric mean of the least and the greatest budget.

    The objective sees a latency as log(E[LAT] / B), by which both ends are equally far from it.
    """
    return math.sqrt(min(budgets_us) * max(budgets_us))


def run_sweep(
    space: LayerwiseSpace,
    budgets_us: Mapping[SweepBudget, float],
    *,
    latency: AdditiveCost,
    limits: Sequence[Limit],
    data: DataSplits,
    augmentation: Augmentation | None,
    settings: SearchSettings,
    seed: int,
    out: Path,
    resume: bool,
    progress: bool,
) -> Mapping[SweepBudget, SearchResult] | None:
    """Search once, choose for each budget, and write the results and ``pareto.json`` and ``pareto.svg``.

    Args:
        space: what may be chosen.
        budgets_us: on the latency, each kept by an architecture.
        latency: microseconds.
        limits: further budgets, kept by all.
        data: images of the space's input size.
        augmentation: of the training images.
        settings: the schedule.
        seed: of everything random.
        out: the sweep's folder; each budget has its own in it.
        resume: go on from a checkpoint.
        progress: show progress.

    Returns:
        A result for each budget; None in all processes but the main one.

    Raises:
        BudgetError: if no architecture keeps one of the budgets.
        DataError, TrainingError, CheckpointError: as the search raises them.
    """
    accelerator = make_accelerator(settings.precision)
    searched = search_layerwise(
        space,
        latency=latency,
        budget_us=middle_us(list(budgets_us.values())),
        data=data,
        augmentation=augmentation,
        settings=settings,
        seed=seed,
        folder=RunPaths(out).search,
        resume=resume,
        accelerator=accelerator,
        progress=progress,
        limits=limits,
    )
    results: dict[SweepBudget, SearchResult] = {}
    if accelerator.is_main_process:
        for budget, budget_us in budgets_us.items():
            finalists = searched.finalists(budget_us)
            result = searched.result(finalists, chosen=searched.choose(finalists), budget_us=budget_us)
            write_search(searched, result, RunPaths(out / budget.name))
            results[budget] = result
        write_pareto(
            out,
            _architectures(results),
            budgets_us=list(budgets_us.values()),
            accuracy="validation, with the supernet's weights",
        )
    accelerator.wait_for_everyone()
    return results if accelerator.is_main_process else None


def _architectures(results: Mapping[SweepBudget, SearchResult]) -> list[SweptArchitecture]:
    """What was chosen, budget by budget, and every other finalist once."""
    winners = {result.finalists[result.chosen].choices for result in results.values()}
    found: dict[tuple[tuple[int, ...], str | None], SweptArchitecture] = {}
    for budget, result in results.items():
        for index, finalist in enumerate(result.finalists):
            is_chosen = index == result.chosen
            if finalist.choices in winners and not is_chosen:
                continue
            key = (finalist.choices, budget.name if is_chosen else None)
            found[key] = SweptArchitecture(
                folder=budget.name if is_chosen else None,
                budget_us=result.budget_us,
                names=result.space.choice_names(finalist.choices),
                accuracy=finalist.val_accuracy,
                predicted_us=finalist.predicted_us,
                measured_us=None,
                is_chosen=is_chosen,
            )
    return list(found.values())
