"""A run's figures as files of their own."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from fbsearch.errors import CheckpointError
from fbsearch.files import write_text
from fbsearch.records import SearchRecord
from fbsearch.records.paths import numbered
from fbsearch.reports.charts import draw_heat_map, draw_pareto, draw_predictions, standalone
from fbsearch.reports.run_folder import RunFolder, read_run
from fbsearch.reports.search_figures import finalists_plot, latency_map, probability_map, run_predictions


def write_figures(run: Path, folder: Path) -> tuple[Path, ...]:
    """Write every figure that the run has numbers for, as SVG.

    Args:
        run: the folder that ``fbsearch run`` or ``fbsearch search`` wrote.
        folder: where the figures go.

    Returns:
        The files: of ``probabilities.svg``, and of ``pareto.svg``, ``latencies.svg`` and ``predictions.svg``,
        with ``pareto-2.svg`` and so on for the devices from the second on.

    Raises:
        CheckpointError: if the run's folder is missing, damaged, or holds nothing to draw.
    """
    figures = draw_figures(read_run(run))
    if not figures:
        raise CheckpointError(f"{run}: holds nothing to draw yet; 'fbsearch search' writes what figures need")
    for name, figure in figures.items():
        write_text(folder / name, standalone(figure))
    return tuple(folder / name for name in figures)


def draw_figures(run: RunFolder) -> dict[str, Markup]:
    """The figures by file name."""
    figures: dict[str, Markup] = {}
    if run.search is not None:
        for number in range(1, len(run.search.targets) + 1):
            figures |= _draw_target(run.search, number)
        probabilities = probability_map(run.search)
        if probabilities is not None:
            title = "Probability of each candidate, per cent"
            figures["probabilities.svg"] = draw_heat_map(probabilities, title=title, colour="blue")
    for number, predictions in enumerate(run_predictions(run), start=1):
        if predictions:
            figures[_file("predictions", number)] = draw_predictions(predictions)
    return figures


def _draw_target(search: SearchRecord, number: int) -> dict[str, Markup]:
    figures: dict[str, Markup] = {}
    plot, latencies = finalists_plot(search, number), latency_map(search, number)
    if plot is not None:
        figures[_file("pareto", number)] = draw_pareto(plot)
    if latencies is not None:
        title = "Latency of each candidate, ms"
        figures[_file("latencies", number)] = draw_heat_map(latencies, title=title, colour="orange")
    return figures


def _file(name: str, number: int) -> str:
    return f"{numbered(name, number, separator='-')}.svg"
