"""The page's section about the search: what it settled on, its finalists, and each device's view of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fbsearch.records import LatencyRecord, SearchRecord, TargetRecord
from fbsearch.reports.curves import search_charts
from fbsearch.reports.finalists import rank_finalists
from fbsearch.reports.formatting import ms_decimals
from fbsearch.reports.heat_maps import HeatMap, latency_map, probability_map
from fbsearch.reports.pareto import ParetoPlot, finalists_plot
from fbsearch.reports.prediction_drawing import Predictions
from fbsearch.reports.run_folder import RunFolder
from fbsearch.reports.search_predictions import run_predictions


@dataclass(frozen=True)
class SearchedTarget:
    """A device in the search.

    Args:
        name: empty where there is but one.
        record: its budget and range.
        any_measured: whether finalists were measured there.
        decimals: of the finalists' milliseconds.
        latencies: of the candidates.
        pareto: the finalists, accuracy over latency.
        predictions: against what was measured.
    """

    name: str
    record: TargetRecord
    any_measured: bool
    decimals: int
    latencies: HeatMap | None
    pareto: ParetoPlot | None
    predictions: tuple[Predictions, ...]


def search_section(run: RunFolder) -> dict[str, Any]:
    """What the template shows of the search; None and empty where it has not finished."""
    search = run.search
    charts = search_charts(run.search_metrics, budget_us=search.targets[0].budget_us if search else None)
    if search is None:
        return {"charts": charts, "finalists": (), "chosen_rank": None, "targets": (), "probabilities": None}
    ranked = rank_finalists(search)
    return {
        "charts": charts,
        "finalists": ranked,
        "chosen_rank": next(row.rank for row in ranked if row.is_chosen),
        "targets": _targets(search, run),
        "probabilities": probability_map(search),
    }


def _targets(search: SearchRecord, run: RunFolder) -> tuple[SearchedTarget, ...]:
    is_alone, predictions = len(search.targets) == 1, run_predictions(run)
    return tuple(
        _target(search, number, "" if is_alone else run.targets[number - 1].name, predictions[number - 1])
        for number in range(1, len(search.targets) + 1)
    )


def _target(
    search: SearchRecord, number: int, name: str, predictions: tuple[Predictions, ...]
) -> SearchedTarget:
    latencies = [finalist.latencies[number - 1] for finalist in search.finalists]
    return SearchedTarget(
        name=name,
        record=search.targets[number - 1],
        any_measured=any(one.measured_us is not None for one in latencies),
        decimals=_decimals(latencies),
        latencies=latency_map(search, number),
        pareto=finalists_plot(search, number),
        predictions=predictions,
    )


def _decimals(latencies: Sequence[LatencyRecord]) -> int:
    return ms_decimals([max(one.predicted_us for one in latencies)])
