"""A run's figures as files of their own."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from fbsearch.errors import CheckpointError
from fbsearch.files import write_text
from fbsearch.reports.charts import draw_heat_map, draw_pareto, draw_predictions, standalone
from fbsearch.reports.run_folder import RunFolder, read_run
from fbsearch.reports.search_figures import finalists_plot, latency_map, probability_map, run_predictions


def write_figures(run: Path, folder: Path) -> tuple[Path, ...]:
    """Write every figure that the run has numbers for, as SVG.

    Args:
        run: the folder that ``fbsearch run`` or ``fbsearch search`` wrote.
        folder: where the figures go.

    Returns:
        The files: of ``pareto.svg``, ``latencies.svg``, ``probabilities.svg`` and ``predictions.svg``.

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
        plot = finalists_plot(run.search)
        if plot is not None:
            figures["pareto.svg"] = draw_pareto(plot)
        figures["latencies.svg"] = draw_heat_map(
            latency_map(run.search), title="Latency of each candidate, ms", colour="orange"
        )
        figures["probabilities.svg"] = draw_heat_map(
            probability_map(run.search), title="Probability of each candidate, per cent", colour="blue"
        )
    predictions = run_predictions(run)
    if predictions:
        figures["predictions.svg"] = draw_predictions(predictions)
    return figures
