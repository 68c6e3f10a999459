"""What a search has for its figures: finalists, probabilities, and each device's latencies."""

from __future__ import annotations

from fbsearch.records import ScoredRecord, SearchRecord
from fbsearch.reports.budgets import budget_name
from fbsearch.reports.charts import (
    HeatMap,
    ParetoPlot,
    ParetoPoint,
    Population,
    PopulationPoint,
    Predictions,
    find_dominated,
    latency_grid,
    probability_grid,
)
from fbsearch.reports.finalist_rows import finalist_rows
from fbsearch.reports.run_folder import RunFolder


def probability_map(search: SearchRecord) -> HeatMap | None:
    """The final probability of every candidate; None where the method has no distribution."""
    if not search.slots:
        return None
    return probability_grid(
        [(slot.names, slot.probabilities) for slot in search.slots], search.winner.choices
    )


def latency_map(search: SearchRecord, number: int = 1) -> HeatMap | None:
    """The latency of every candidate on a device, as the search counted it, against the slowest of all.

    Args:
        search: the result.
        number: of the device, from 1.

    Returns:
        The map; None where an older file does not tell the device's latencies.
    """
    latencies_us = search.targets[number - 1].latencies_us
    if not latencies_us:
        return None
    names = [slot.names for slot in search.slots]
    return latency_grid(list(zip(names, latencies_us, strict=True)), search.winner.choices)


def finalists_plot(search: SearchRecord, number: int = 1) -> ParetoPlot | None:
    """The finalists that have an accuracy, on a device; None if fewer than two have.

    Args:
        search: the result.
        number: of the device, from 1.
    """
    rows = [row for row in finalist_rows(search) if row.record.val_accuracy is not None]
    if len(rows) < 2:
        return None
    budget_us = search.targets[number - 1].budget_us
    accuracies = [row.record.val_accuracy or 0.0 for row in rows]
    latencies = [row.record.latencies[number - 1] for row in rows]
    points = tuple(
        ParetoPoint(
            name=f"#{row.rank}",
            accuracy=accuracy,
            predicted_us=latency.predicted_us,
            measured_us=latency.measured_us,
            is_chosen=row.is_chosen,
            is_dominated=is_dominated,
        )
        for row, accuracy, latency, is_dominated in zip(
            rows,
            accuracies,
            latencies,
            find_dominated([one.best_us for one in latencies], accuracies),
            strict=True,
        )
    )
    return ParetoPlot(points, () if budget_us is None else (budget_us,))


def population_plots(search: SearchRecord) -> tuple[Population, ...]:
    """Score over each budget's cost, of a search by scores."""
    if not search.scored:
        return ()
    bounds = {f"latency_us on {target.name}": target.budget_us for target in search.targets}
    bounds |= {budget.cost: budget.bound for budget in search.budgets}
    score = next(iter(search.scored[0].scores))
    return tuple(_population_plot(search, score, cost, bounds.get(cost)) for cost in search.scored[0].costs)


def _population_plot(search: SearchRecord, score: str, cost: str, bound: float | None) -> Population:
    is_latency = cost.startswith("latency_us")
    device = cost.removeprefix("latency_us on ")
    words = (
        (f"latency, ms, {device}" if len(search.targets) > 1 else "latency, ms")
        if is_latency
        else budget_name(cost)
    )
    points = tuple(
        PopulationPoint(one.costs[cost], one.scores[score], _role(search, one)) for one in search.scored
    )
    return Population(points, score, words, is_latency, bound)


def _role(search: SearchRecord, one: ScoredRecord) -> str:
    if one.choices == search.winner.choices:
        return "chosen"
    return "dominated" if one.is_dominated else "front"


def run_predictions(run: RunFolder) -> tuple[tuple[Predictions, ...], ...]:
    """Of each device the finalists that were measured, and the exported model; empty with fewer than two."""
    return tuple(_of_target(run, number) for number in range(len(run.targets)))


def _of_target(run: RunFolder, number: int) -> tuple[Predictions, ...]:
    is_searched = run.search is not None and number < len(run.search.targets)
    finalists = run.search.finalists if run.search is not None and is_searched else ()
    latencies = [finalist.latencies[number] for finalist in finalists]
    measured = tuple((one.predicted_us, one.measured_us) for one in latencies if one.measured_us is not None)
    check = run.targets[number].verification
    exported = (
        ()
        if check is None or check.predicted_ms is None
        else ((1000 * check.predicted_ms, 1000 * check.measured_ms),)
    )
    if len(measured) + len(exported) < 2:
        return ()
    sets = (Predictions("finalists", "main", measured), Predictions("exported model", "second", exported))
    return tuple(one for one in sets if one.points)
