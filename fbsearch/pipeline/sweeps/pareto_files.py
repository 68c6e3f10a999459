"""``pareto.json`` and ``pareto.svg``: a sweep's architectures on a target, and which no other one beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fbsearch.files import write_json, write_text
from fbsearch.records.paths import numbered
from fbsearch.reports.charts import ParetoPlot, ParetoPoint, draw_pareto, find_dominated, standalone
from fbsearch.reports.charts.units import ACCURACY, NUMBER, Unit


@dataclass(frozen=True)
class Worth:
    """What stands over latency.

    Args:
        words: for people.
        unit: of the numbers.
    """

    words: str
    unit: Unit


SEARCHED = Worth("validation, as the search knows it", ACCURACY)
TESTED = Worth("test, of the exported models", ACCURACY)
SCORE = Worth("score, nothing was trained", NUMBER)


@dataclass(frozen=True)
class SweptArchitecture:
    """One architecture of a sweep.

    Args:
        folder: of the budget that it was chosen for, or None.
        budget_us: that it was found for.
        names: of its candidates.
        accuracy: a share, or a score where nothing was trained.
        predicted_us: by the table.
        measured_us: on the device, or None where that was not done.
        is_chosen: whether it was chosen for its budget.
    """

    folder: str | None
    budget_us: float
    names: tuple[str, ...]
    accuracy: float
    predicted_us: float
    measured_us: float | None
    is_chosen: bool

    @property
    def latency_us(self) -> float:
        """As measured, or else as predicted."""
        return self.predicted_us if self.measured_us is None else self.measured_us


def write_pareto(
    folder: Path,
    architectures: Sequence[SweptArchitecture],
    *,
    number: int,
    budgets_us: Sequence[float],
    worth: Worth,
) -> Path:
    """Write both files, ``pareto-2.json`` and so on of targets from the second on, and return the figure's.

    Args:
        folder: of the sweep.
        architectures: at least one.
        number: of the target, from 1.
        budgets_us: of the sweep on the target.
        worth: which accuracy it is, or what stands for it.
    """
    ordered = sorted(architectures, key=lambda one: (one.latency_us, one.accuracy))
    dominated = find_dominated([one.latency_us for one in ordered], [one.accuracy for one in ordered])
    rows = [
        {**one.__dict__, "names": list(one.names), "is_dominated": is_dominated}
        for one, is_dominated in zip(ordered, dominated, strict=True)
    ]
    path, budgets = folder / numbered("pareto", number, separator="-"), sorted(set(budgets_us))
    write_json(
        path.with_suffix(".json"), {"budgets_us": budgets, "accuracy": worth.words, "architectures": rows}
    )
    points = tuple(
        ParetoPoint(
            name=one.folder or f"for {one.budget_us / 1000:.4g} ms",
            accuracy=one.accuracy,
            predicted_us=one.predicted_us,
            measured_us=one.measured_us,
            is_chosen=one.is_chosen,
            is_dominated=is_dominated,
        )
        for one, is_dominated in zip(ordered, dominated, strict=True)
    )
    write_text(
        path.with_suffix(".svg"), standalone(draw_pareto(ParetoPlot(points, tuple(budgets), worth.unit)))
    )
    return path.with_suffix(".svg")
