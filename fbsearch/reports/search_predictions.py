"""What a run measured of whole networks on each device, against what had been predicted of them."""

from __future__ import annotations

from fbsearch.reports.prediction_drawing import Predictions
from fbsearch.reports.run_folder import RunFolder


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
