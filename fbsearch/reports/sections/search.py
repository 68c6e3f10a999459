"""The search: its curves, what it settled on, its finalists, and each device's view of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fbsearch.records import SearchRecord, TargetRecord
from fbsearch.reports.charts import (
    HeatMap,
    Population,
    Predictions,
    draw_pareto,
    draw_population,
    draw_predictions,
)
from fbsearch.reports.curves import search_charts
from fbsearch.reports.finalist_rows import FinalistRow, finalist_rows
from fbsearch.reports.formatting import ms_decimals, on_device
from fbsearch.reports.run_folder import RunFolder
from fbsearch.reports.search_figures import (
    finalists_plot,
    latency_map,
    population_plots,
    probability_map,
    run_predictions,
)
from fbsearch.reports.sections.figure import Figure, line_figure


@dataclass(frozen=True)
class SearchedTarget:
    """A device in the search.

    Args:
        name: empty where there is but one.
        record: its budget and range.
        any_measured: whether finalists were measured there.
        decimals: of the finalists' milliseconds.
        latencies: of the candidates; None where an older file does not tell them.
        pareto: accuracy over latency; None for fewer than two finalists with an accuracy.
    """

    name: str
    record: TargetRecord
    any_measured: bool
    decimals: int
    latencies: HeatMap | None
    pareto: Figure | None

    @property
    def where(self) -> str:
        """Words that name the device in a heading; empty where there is but one."""
        return on_device(self.name)


@dataclass(frozen=True)
class SettledSearch:
    """What a search that has finished leaves.

    Args:
        finalists: by accuracy.
        chosen_rank: of the one that went on to training.
        probabilities: of the candidates; None where the method has no distribution.
        targets: the devices.
        is_scored: whether scores rank the finalists, rather than accuracies.
        populations: score over each cost, of a search by scores.
    """

    finalists: tuple[FinalistRow, ...]
    chosen_rank: int
    probabilities: HeatMap | None
    targets: tuple[SearchedTarget, ...]
    is_scored: bool
    populations: tuple[Figure, ...]


@dataclass(frozen=True)
class SearchSection:
    """What the template shows.

    Args:
        charts: as far as the search has come.
        seconds: that it took, interrupted tries included where the run's record tells them; None if unknown.
        settled: its result; None before.
        predictions: measured against predicted latencies.
    """

    charts: tuple[Figure, ...]
    seconds: float | None
    settled: SettledSearch | None
    predictions: tuple[Figure, ...]


def search_section(run: RunFolder) -> SearchSection:
    """The search as far as it has come."""
    search, names = run.search, run.labels
    budget_us = search.targets[0].budget_us if search and search.targets else None
    return SearchSection(
        charts=tuple(map(line_figure, search_charts(run.search_metrics, budget_us=budget_us))),
        seconds=_seconds(run),
        settled=_settled(search, names[: len(search.targets)]) if search else None,
        predictions=tuple(
            _predictions_figure(predictions, name)
            for predictions, name in zip(run_predictions(run), names, strict=True)
            if predictions
        ),
    )


def _seconds(run: RunFolder) -> float | None:
    stage = run.record.stages.get("search") if run.record else None
    if stage is not None and stage.seconds is not None:
        return stage.seconds
    return run.search.seconds if run.search else None


def _predictions_figure(predictions: Sequence[Predictions], name: str) -> Figure:
    caption = f"Measured over predicted latency{on_device(name)}"
    return Figure(caption, draw_predictions(predictions), (("equal", "equal"),))


def _settled(search: SearchRecord, names: Sequence[str]) -> SettledSearch:
    finalists = finalist_rows(search)
    return SettledSearch(
        finalists=finalists,
        chosen_rank=next(row.rank for row in finalists if row.is_chosen),
        probabilities=probability_map(search),
        targets=tuple(_target(search, number, name) for number, name in enumerate(names, start=1)),
        is_scored=search.winner.score is not None,
        populations=tuple(map(_population_figure, population_plots(search))),
    )


def _population_figure(plot: Population) -> Figure:
    caption = f"The last population: {plot.score} over {plot.cost}"
    return Figure(caption, draw_population(plot))


def _target(search: SearchRecord, number: int, name: str) -> SearchedTarget:
    latencies = [finalist.latencies[number - 1] for finalist in search.finalists]
    plot = finalists_plot(search, number)
    caption = f"Validation accuracy over latency{on_device(name)}"
    return SearchedTarget(
        name=name,
        record=search.targets[number - 1],
        any_measured=any(one.measured_us is not None for one in latencies),
        decimals=ms_decimals([max(one.predicted_us for one in latencies)]),
        latencies=latency_map(search, number),
        pareto=Figure(caption, draw_pareto(plot)) if plot else None,
    )
