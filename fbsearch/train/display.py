"""What a person sees of a run: a progress bar with the time left, and TensorBoard's curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fbsearch.train.event_file import EventFile

Show = Callable[[float, list[dict[str, float]]], None]
Log = Callable[[Mapping[str, Any]], None]


@contextmanager
def tensorboard_log(folder: Path, first_epoch: int, *, enabled: bool) -> Iterator[Log]:
    """A function that logs a row of metrics for TensorBoard, at the row's epoch."""
    if not enabled:
        yield lambda row: None
        return
    with EventFile(folder, first_step=first_epoch) as file:
        # Whatever a killed process logged of a later epoch is purged from the curves.
        yield lambda row: file.add(_scalars(row), step=int(row["epoch"]))


def _scalars(row: Mapping[str, Any]) -> dict[str, float]:
    return {key: value for key, value in row.items() if key != "epoch" and isinstance(value, (int, float))}


@contextmanager
def epoch_bar(title: str, num_epochs: int, *, unit: str, enabled: bool) -> Iterator[Show]:
    """A function that shows how many epochs are done (a fraction within one) and the last metrics."""
    if not enabled:
        yield lambda done, rows: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as display:
        bar = display.add_task(title, total=num_epochs, metrics="")

        def show(done: float, rows: list[dict[str, float]]) -> None:
            description = f"{title}: {unit} {min(int(done) + 1, num_epochs)}/{num_epochs}"
            display.update(bar, completed=done, description=description, metrics=_summary(rows))

        yield show


def _summary(rows: list[dict[str, float]]) -> str:
    shown = ("train_loss", "val_loss", "val_accuracy", "score", "best_score")
    return " ".join(f"{key} {rows[-1][key]:.3f}" for key in shown if rows and key in rows[-1])
