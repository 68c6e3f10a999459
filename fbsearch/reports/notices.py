"""What a reader must not overlook: stages that are missing, failed or only half succeeded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fbsearch.records import MetricsRow, RunPaths, SearchRecord, Verification
from fbsearch.reports.budgets import budget_rows
from fbsearch.reports.formatting import (
    format_accuracy,
    format_ms,
    format_number,
    format_percent,
    on_device,
)
from fbsearch.reports.run_folder import RunFolder, TargetFiles
from fbsearch.reports.verdict import prediction_error, status_of, verdict_decimals

Level = Literal["bad", "warn"]

MAX_ACCURACY_LOSS = 0.005
"""Accuracy that the export may lose before the page calls it out."""

MAX_PREDICTION_ERROR = 0.2
"""Beyond this share of the measurement, the table's sum is called out as a poor prediction."""


@dataclass(frozen=True)
class Notice:
    """One thing to know before believing the rest of the page."""

    level: Level
    title: str
    text: str


def find_notices(run: RunFolder) -> tuple[Notice, ...]:
    """Everything that is missing or wrong in a run, the worst first."""
    found = [
        *_stage_errors(run),
        *_target_notices(run),
        *(_search_notices(run.search) if run.search else ()),
        *_attempt_notices(run),
        *_metrics_notices("search", run.search_metrics),
        *_metrics_notices("training", run.training_metrics),
        *_missing_stages(run),
    ]
    return tuple(sorted(found, key=lambda notice: notice.level != "bad"))


def _stage_errors(run: RunFolder) -> Iterator[Notice]:
    for name, stage in run.record.stages.items() if run.record else ():
        if stage.error:
            yield Notice("bad", f"The stage \u2018{name}\u2019 failed", stage.error)


def _missing_stages(run: RunFolder) -> Iterator[Notice]:
    paths = run.paths
    stages: list[tuple[str, object, Path]] = [
        *_of_every_target(run, "Profiling on", [one.table for one in run.targets], paths.table),
        ("The search", run.search, paths.search_result),
        ("The architecture", run.architecture, paths.architecture),
        ("Training", run.training, paths.train_result),
        *_of_every_target(
            run, "Verification on", [one.verification for one in run.targets], paths.verification
        ),
    ]
    for title, content, path in stages:
        if content is None:
            file = path.relative_to(paths.root)
            yield Notice(
                "warn", f"{title} is missing", f"This run has no {file}: the stage has not finished."
            )


def _of_every_target(
    run: RunFolder, title: str, contents: Sequence[object], path: Callable[[int], Path]
) -> list[tuple[str, object, Path]]:
    titles = [f"{title} {label or 'the device'}" for label in run.labels]
    return [
        (words, content, path(number))
        for number, (words, content) in enumerate(zip(titles, contents, strict=True), start=1)
    ]


def _target_notices(run: RunFolder) -> Iterator[Notice]:
    """Of every device, named where there are several."""
    for target, label in zip(run.targets, run.labels, strict=True):
        found = [
            *(_verification_notices(target.verification) if target.verification else ()),
            *_table_notices(run, target),
        ]
        for notice in found:
            yield replace(notice, title=f"{notice.title}{on_device(label)}")


def _verification_notices(verification: Verification) -> Iterator[Notice]:
    if status_of(verification) == "over":
        yield Notice("bad", "The model does not keep its budget", _over_budget(verification))
    yield from _latency_notices(verification)
    yield from _agreement_notices(verification)


def _attempt_notices(run: RunFolder) -> Iterator[Notice]:
    if run.put_aside:
        number = len(run.put_aside)
        yield Notice(
            "warn",
            "One exported model was over its budget and made way"
            if number == 1
            else f"{number} exported models were over their budget and made way",
            f"{' '.join(map(_excess, run.put_aside))} The folder \u2018attempts\u2019 keeps them. What "
            "they took went to the calibration, and the next best architecture was trained.",
        )


def _excess(verifications: Sequence[Verification]) -> str:
    """What a model that was put aside took, wherever that was too much."""
    if len(verifications) == 1:
        return _over_budget(verifications[0])
    broken = [one for one in verifications if status_of(one) == "over"]
    return " ".join(f"On {one.where}: {_over_budget(one)}" for one in broken)


def _over_budget(verification: Verification) -> str:
    broken = [row for row in budget_rows([verification]) if not row.is_kept]
    if broken:
        return "; ".join(f"{row.name}: {row.value} of {row.bound}" for row in broken) + "."
    if verification.budget_ms is None or verification.measured_ms <= verification.budget_ms:
        return f"{RunPaths(Path()).verification()} says that the budget is not kept."
    excess = verification.measured_ms - verification.budget_ms
    share = format_percent(excess / verification.budget_ms) if verification.budget_ms else "all of it"
    decimals = verdict_decimals(verification)
    measured, budget, over = (
        format_ms(1000 * value, decimals=decimals)
        for value in (verification.measured_ms, verification.budget_ms, excess)
    )
    return f"Measured {measured} against {budget}: {over} ({share}) too slow."


def _latency_notices(verification: Verification) -> Iterator[Notice]:
    if verification.is_converged is False:
        yield Notice(
            "warn",
            "The measurement did not converge",
            "Its rounds still differed by more than the protocol allows: the machine was busy or throttled. "
            "Take the measured latency as a rough value.",
        )
    error = prediction_error(verification)
    if error is not None and abs(error) > MAX_PREDICTION_ERROR:
        yield Notice(
            "warn",
            "The prediction was poor",
            f"It was off by {format_percent(error, decimals=0, sign=True)}; the search chose by it.",
        )
    p95, budget = verification.measured_p95_ms, verification.budget_ms
    if p95 is not None and budget is not None and verification.measured_ms <= budget < p95:
        yield Notice(
            "warn",
            "Some runs take longer than the budget",
            f"The median keeps it, the 95th percentile is {format_ms(1000 * p95)}.",
        )


def _agreement_notices(verification: Verification) -> Iterator[Notice]:
    if not verification.agrees:
        yield Notice(
            "bad",
            "The exported model disagrees with the network",
            f"They name the same class for {format_accuracy(verification.top1_agreement)} of the images; "
            f"outputs differ by up to {format_number(verification.max_abs_diff)}.",
        )
    exported, trained = verification.test_accuracy, verification.fp32_test_accuracy
    if exported is not None and trained is not None and trained - exported > MAX_ACCURACY_LOSS:
        yield Notice(
            "bad",
            "The export lost accuracy",
            f"{format_accuracy(trained)} in PyTorch, {format_accuracy(exported)} as exported.",
        )


def _search_notices(search: SearchRecord) -> Iterator[Notice]:
    if search.collapse:
        yield Notice("bad", "The search collapsed", search.collapse)
    if search.undecided:
        yield Notice("bad", "The search did not decide", search.undecided)
    if search.rough_zen:
        yield Notice("warn", "Zen-Score is rough here", search.rough_zen)
    for target, latency in zip(search.targets, search.winner.latencies, strict=True):
        if target.budget_us is not None and latency.predicted_us > target.budget_us:
            where = "" if len(search.targets) == 1 else f" on {target.name}"
            yield Notice(
                "bad",
                f"The chosen architecture is over budget as predicted{where}",
                f"{format_ms(latency.predicted_us)} predicted, {format_ms(target.budget_us)} allowed.",
            )


def _metrics_notices(stage: str, rows: tuple[MetricsRow, ...]) -> Iterator[Notice]:
    lost = [row for row in rows if row.lost]
    if lost:
        names = ", ".join(dict.fromkeys(name for row in lost for name in row.lost))
        yield Notice(
            "bad",
            f"The {stage} diverged",
            f"NaN or infinite in {len(lost)} epochs, first in epoch {lost[0].epoch}: {names}.",
        )


def _table_notices(run: RunFolder, target: TargetFiles) -> Iterator[Notice]:
    if target.table is None:
        return
    entries = target.table.entries
    unsettled = sum(not entry.is_converged for entry in entries.values())
    if unsettled:
        yield Notice(
            "warn",
            f"{unsettled} of {len(entries)} table entries did not converge",
            "Their confidence intervals stayed wider than the protocol asks; profile on a quieter machine.",
        )
    known = {str(key) for key in entries}
    for operator in run.architecture.operators() if run.architecture else ():
        if not operator.is_free and operator.key not in known:
            yield Notice("bad", "The table lacks an operator of the architecture", operator.key)
