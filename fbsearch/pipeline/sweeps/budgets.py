"""The budgets of a sweep, as people write them and as limits of a search."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fbsearch.errors import InvalidInputError
from fbsearch.pipeline.choice.limits import with_budget
from fbsearch.search import Limit

_FOLDER = re.compile(r"budget-(\d+(?:\.\d+)?)(ms|percent)")
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


def swept_budgets(folder: Path) -> str:
    """The budgets of the sweep in a folder, as ``--budgets`` takes them; empty where there is none.

    Whoever runs a sweep's folder without them would have a run of its own among the sweep's.
    """
    names = sorted(path.parent.name for path in folder.glob("budget-*/recipe.yaml"))
    found = [_FOLDER.fullmatch(name) for name in names]
    return ",".join(f"{match[1]}{'%' if match[2] == 'percent' else 'ms'}" for match in found if match)


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
