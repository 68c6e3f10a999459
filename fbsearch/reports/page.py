"""The run's page: read the folder, prepare the numbers, draw, fill the template, write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from fbsearch.files import write_text
from fbsearch.reports import formatting
from fbsearch.reports.block_drawing import draw_block, kernel_class
from fbsearch.reports.budgets import budget_rows, device_rows
from fbsearch.reports.chart_drawing import draw_histogram, draw_lines, draw_whole_networks
from fbsearch.reports.classes import NUM_SHOWN, class_rows, confusion_matrix
from fbsearch.reports.curves import search_charts, training_charts
from fbsearch.reports.facts import (
    device_facts,
    difference_facts,
    stage_times,
    total_seconds,
    verdict_tiles,
    version_facts,
)
from fbsearch.reports.finalists import rank_finalists
from fbsearch.reports.heat_maps import latency_map, probability_map
from fbsearch.reports.layers import add_latencies, group_layers
from fbsearch.reports.notices import find_notices
from fbsearch.reports.pareto import finalists_plot
from fbsearch.reports.pareto_drawing import draw_pareto
from fbsearch.reports.prediction_drawing import draw_predictions
from fbsearch.reports.run_folder import RunFolder, read_run
from fbsearch.reports.search_predictions import run_predictions
from fbsearch.reports.table_figures import make_table_figures
from fbsearch.reports.verdict import make_verdict, verdict_decimals
from fbsearch.reports.whole_networks import compare_whole_networks, describe_errors, describe_line

FILE_NAME = "report.html"


def write_report(run: Path) -> Path:
    """Write ``RUN/report.html``: one self-contained page about a run, whole or partial.

    >>> write_report(Path("runs/quickstart"))  # doctest: +SKIP
    PosixPath('runs/quickstart/report.html')

    Args:
        run: the folder that ``fbsearch run`` wrote; stages that have not run are named on the page.

    Returns:
        The page's path.

    Raises:
        CheckpointError: if the folder is missing, holds no file of a run, or one is damaged.
        TableError, ArchitectureError: if the table or the architecture is damaged.
    """
    path = run / FILE_NAME
    write_text(path, render_page(read_run(run)))
    return path


def render_page(run: RunFolder) -> str:
    """The page's HTML."""
    environment = Environment(
        loader=PackageLoader("fbsearch.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        draw_lines=draw_lines,
        draw_pareto=draw_pareto,
        draw_predictions=draw_predictions,
        draw_whole_networks=draw_whole_networks,
        draw_histogram=draw_histogram,
        draw_block=draw_block,
        kernel_class=kernel_class,
        format_ms=formatting.format_ms,
    )
    for name in ("ms", "percent", "accuracy", "count", "bytes", "seconds", "number"):
        environment.filters[name] = getattr(formatting, f"format_{name}")
    return environment.get_template("report.html.j2").render(page_content(run))


def page_content(run: RunFolder) -> dict[str, Any]:
    """Everything that the template shows, section by section; None where a stage is missing."""
    devices = device_rows(run)
    budgets = [row for row in budget_rows(run.verification) if not (devices and row.source == "measured")]
    networks = compare_whole_networks(run.table)
    table = make_table_figures(run.table) if run.table else None
    return {
        "run": run,
        "title": run.path.resolve().name,
        "verdict": make_verdict(run.verification),
        "verdict_decimals": verdict_decimals(run.verification) if run.verification else 3,
        "notices": find_notices(run),
        "tiles": verdict_tiles(run),
        "budgets": budgets,
        "devices": devices,
        "layers": _layers(run),
        "search": _search(run),
        "training": _training(run),
        "table": table,
        "networks": networks,
        "networks_sentence": describe_errors(networks) if networks else "",
        "slowest_decimals": formatting.ms_decimals(row.latency_us for row in table.slowest) if table else 0,
        "device": (*device_facts(run), *difference_facts(run)),
        "stages": stage_times(run),
        "total_seconds": total_seconds(run),
        "versions": version_facts(run),
    }


def _layers(run: RunFolder) -> dict[str, Any] | None:
    if run.architecture is None:
        return None
    groups = group_layers(run.architecture, run.table.latency_us if run.table else None)
    latencies = [row.latency_us for group in groups for row in group.rows]
    known = [latency for latency in latencies if latency is not None]
    total = add_latencies(latencies)
    calibration = run.table.calibration if run.table else None
    return {
        "groups": groups,
        "num_searched": sum(row.number is not None for group in groups for row in group.rows),
        "total_us": total,
        "calibrated_us": run.table.calibrated_us(run.architecture) if run.table else None,
        "calibration": describe_line(calibration) if calibration else "",
        "slowest_us": max(known, default=0.0),
        "decimals": formatting.ms_decimals(known),
    }


def _search(run: RunFolder) -> dict[str, Any]:
    budget = run.search.budget_us if run.search else None
    finalists = run.search.finalists if run.search else ()
    ranked = rank_finalists(run.search) if run.search else ()
    return {
        "charts": search_charts(run.search_metrics, budget_us=budget),
        "finalists": ranked,
        "chosen_rank": next((row.rank for row in ranked if row.is_chosen), None),
        "any_measured": any(f.measured_us is not None for f in finalists),
        "decimals": formatting.ms_decimals([max((f.predicted_us for f in finalists), default=0.0)]),
        "pareto": finalists_plot(run.search) if run.search else None,
        "predictions": run_predictions(run),
        "probabilities": probability_map(run.search) if run.search else None,
        "latencies": latency_map(run.search) if run.search else None,
    }


def _training(run: RunFolder) -> dict[str, Any]:
    rows = class_rows(run.training.test) if run.training else ()
    return {
        "charts": training_charts(run.training_metrics),
        "num_classes": len(rows),
        "classes": rows[:NUM_SHOWN],
        "confusion": confusion_matrix(run.training.test) if run.training else None,
    }
