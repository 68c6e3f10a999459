"""The search: its curves, what it settled on, and its finalists."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.reports.charts import HeatMap, draw_pareto, draw_predictions
from fbsearch.reports.curves import search_charts
from fbsearch.reports.finalist_rows import FinalistRow, finalist_rows
from fbsearch.reports.formatting import ms_decimals
from fbsearch.reports.records import SearchResult
from fbsearch.reports.run_folder import RunFolder
from fbsearch.reports.search_figures import finalists_plot, latency_map, probability_map, run_predictions
from fbsearch.reports.sections.figure import Figure, line_figure


@dataclass(frozen=True)
class SettledSearch:
    """What a search that has finished leaves.

    Args:
        finalists: by accuracy.
        chosen_rank: of the one that went on to training.
        any_measured: whether one was measured as a whole network.
        decimals: of the milliseconds.
        probabilities, latencies: of the candidates.
        pareto: accuracy over latency; None for fewer than two finalists with an accuracy.
    """

    finalists: tuple[FinalistRow, ...]
    chosen_rank: int
    any_measured: bool
    decimals: int
    probabilities: HeatMap
    latencies: HeatMap
    pareto: Figure | None


@dataclass(frozen=True)
class SearchSection:
    """Curves as far as the search has come, its result, and measured against predicted latencies."""

    charts: tuple[Figure, ...]
    settled: SettledSearch | None
    predictions: Figure | None


def search_section(run: RunFolder) -> SearchSection:
    """The search as far as it has come."""
    budget_us = run.search.budget_us if run.search else None
    predictions = run_predictions(run)
    return SearchSection(
        charts=tuple(map(line_figure, search_charts(run.search_metrics, budget_us=budget_us))),
        settled=_settled(run.search) if run.search else None,
        predictions=Figure(
            "Measured over predicted latency", draw_predictions(predictions), (("equal", "equal"),)
        )
        if predictions
        else None,
    )


def _settled(search: SearchResult) -> SettledSearch:
    finalists, plot = finalist_rows(search), finalists_plot(search)
    return SettledSearch(
        finalists=finalists,
        chosen_rank=next(row.rank for row in finalists if row.is_chosen),
        any_measured=any(one.measured_us is not None for one in search.finalists),
        decimals=ms_decimals([max(one.predicted_us for one in search.finalists)]),
        probabilities=probability_map(search),
        latencies=latency_map(search),
        pareto=Figure("Validation accuracy over latency", draw_pareto(plot)) if plot else None,
    )
