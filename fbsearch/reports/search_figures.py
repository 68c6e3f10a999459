"""What a search has for its figures: finalists, probabilities, latencies, measured predictions."""

from __future__ import annotations

from fbsearch.reports.charts import (
    HeatMap,
    ParetoPlot,
    ParetoPoint,
    Predictions,
    find_dominated,
    latency_grid,
    probability_grid,
)
from fbsearch.reports.finalist_rows import finalist_rows
from fbsearch.reports.records import SearchResult
from fbsearch.reports.run_folder import RunFolder


def probability_map(search: SearchResult) -> HeatMap:
    """The final probability of every candidate."""
    return probability_grid(
        [(slot.names, slot.probabilities) for slot in search.slots], search.winner.choices
    )


def latency_map(search: SearchResult) -> HeatMap:
    """The latency of every candidate, as the search counted it, against the slowest of all."""
    return latency_grid([(slot.names, slot.latencies_us) for slot in search.slots], search.winner.choices)


def finalists_plot(search: SearchResult) -> ParetoPlot | None:
    """The finalists that have an accuracy; None if fewer than two have."""
    rows = [row for row in finalist_rows(search) if row.record.val_accuracy is not None]
    if len(rows) < 2:
        return None
    budgets = () if search.budget_us is None else (search.budget_us,)
    records = [row.record for row in rows]
    accuracies = [record.val_accuracy or 0.0 for record in records]
    latencies = [
        record.predicted_us if record.measured_us is None else record.measured_us for record in records
    ]
    points = tuple(
        ParetoPoint(
            name=f"#{row.rank}",
            accuracy=accuracy,
            predicted_us=row.record.predicted_us,
            measured_us=row.record.measured_us,
            is_chosen=row.is_chosen,
            is_dominated=is_dominated,
        )
        for row, accuracy, is_dominated in zip(
            rows, accuracies, find_dominated(latencies, accuracies), strict=True
        )
    )
    return ParetoPlot(points, budgets)


def run_predictions(run: RunFolder) -> tuple[Predictions, ...]:
    """The finalists that were measured, and the exported model; empty with fewer than two networks in all."""
    finalists = run.search.finalists if run.search else ()
    measured = tuple((one.predicted_us, one.measured_us) for one in finalists if one.measured_us is not None)
    check = run.verification
    exported = (
        ()
        if check is None or check.predicted_ms is None
        else ((1000 * check.predicted_ms, 1000 * check.measured_ms),)
    )
    if len(measured) + len(exported) < 2:
        return ()
    sets = (Predictions("finalists", "main", measured), Predictions("exported model", "second", exported))
    return tuple(one for one in sets if one.points)
