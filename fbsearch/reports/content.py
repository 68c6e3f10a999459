"""Everything that the page shows, section by section."""

from __future__ import annotations

from typing import Any

from fbsearch.reports import formatting
from fbsearch.reports.budgets import budget_rows, device_rows
from fbsearch.reports.classes import NUM_SHOWN, class_rows, confusion_matrix
from fbsearch.reports.curves import training_charts
from fbsearch.reports.facts import device_facts, stage_times, total_seconds, verdict_tiles, version_facts
from fbsearch.reports.layers import add_latencies, group_layers
from fbsearch.reports.notices import find_notices
from fbsearch.reports.run_folder import RunFolder
from fbsearch.reports.search_section import search_section
from fbsearch.reports.table_section import table_sections
from fbsearch.reports.verdict import make_verdict
from fbsearch.reports.whole_networks import describe_line


def page_content(run: RunFolder) -> dict[str, Any]:
    """What the templates take; None where a stage is missing."""
    is_alone = len(run.targets) == 1
    return {
        "run": run,
        "title": run.path.resolve().name,
        "verdict": make_verdict([target.verification for target in run.targets]),
        "notices": find_notices(run),
        "tiles": verdict_tiles(run),
        "budgets": budget_rows(run.verifications),
        "devices": device_rows(run),
        "layers": _layers(run),
        "search": search_section(run),
        "training": _training(run),
        "tables": table_sections(run),
        "device_facts": [
            ("" if is_alone else target.name, facts)
            for target in run.targets
            if (facts := device_facts(target))
        ],
        "stages": stage_times(run),
        "total_seconds": total_seconds(run),
        "versions": version_facts(run),
    }


def _layers(run: RunFolder) -> dict[str, Any] | None:
    """Every layer with its latency on the device that the run names first."""
    if run.architecture is None:
        return None
    target = run.targets[0]
    table, verification = target.table, target.verification
    groups = group_layers(run.architecture, table.latency_us if table else None)
    latencies = [row.latency_us for group in groups for row in group.rows]
    known = [latency for latency in latencies if latency is not None]
    calibration = table.calibration if table else None
    return {
        "device": "" if len(run.targets) == 1 else target.name,
        "has_table": table is not None,
        "groups": groups,
        "total_us": add_latencies(latencies),
        "calibrated_us": table.calibrated_us(run.architecture) if table else None,
        "calibration": describe_line(calibration) if calibration else "",
        "measured_us": None if verification is None else 1000 * verification.measured_ms,
        "slowest_us": max(known, default=0.0),
        "decimals": formatting.ms_decimals(known),
    }


def _training(run: RunFolder) -> dict[str, Any]:
    rows = class_rows(run.training.test) if run.training else ()
    return {
        "charts": training_charts(run.training_metrics),
        "num_classes": len(rows),
        "classes": rows[:NUM_SHOWN],
        "confusion": confusion_matrix(run.training.test) if run.training else None,
    }
