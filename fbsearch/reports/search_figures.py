"""What a run measured of whole networks, against what had been predicted of them."""

from __future__ import annotations

from fbsearch.reports.prediction_drawing import Predictions
from fbsearch.reports.run_folder import RunFolder


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
