"""The epoch loop that children and supernets share: progress, metrics, checkpoints, resuming."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from accelerate import Accelerator

from fbsearch.errors import CheckpointError
from fbsearch.records.metrics import METRICS, write_metrics
from fbsearch.train.checkpoint import load_state, plain_identity, save_state
from fbsearch.train.display import Show, epoch_bar, tensorboard_log
from fbsearch.train.memory import large_pages

CHECKPOINT = "checkpoint.safetensors"

Report = Callable[[int, int], None]


class Task(Protocol):
    """What :func:`run_epochs` runs.

    The life of a task: ``load_state_dict`` once if a checkpoint is resumed, then ``run_epoch`` for each
    remaining epoch, each followed by ``state_dict``. An epoch must depend on nothing but that state and
    its number (draw random numbers within :func:`~fbsearch.train.acceleration.seeded`): then a task that was
    killed and resumed ends like one that never was.
    """

    num_epochs: int

    def run_epoch(self, epoch: int, report: Report) -> dict[str, float]:
        """Run one epoch, call ``report(done, total)`` as batches pass, and return the epoch's metrics."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything later epochs depend on, as :func:`~fbsearch.train.checkpoint.save_state` takes it."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""
        ...


def run_epochs(
    task: Task,
    *,
    folder: Path,
    title: str,
    resume: bool,
    unit: str = "epoch",
    identity: Mapping[str, Any] | None = None,
    accelerator: Accelerator | None = None,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Run a task's epochs, or those that are left.

    After each epoch ``folder`` holds ``checkpoint.safetensors`` (the task's state and the metrics of all
    epochs so far), ``metrics.jsonl`` written from it, and TensorBoard's logs under ``tensorboard``. A kill
    loses at most the epoch under way.

    Args:
        task: what to run.
        folder: where the files go; with several processes, one that all of them see.
        title: what the progress display says.
        unit: what the display calls an epoch.
        resume: go on from the folder's checkpoint; without one, start at the first epoch.
        identity: settings, JSON-like, that must be equal for a checkpoint to be this task's.
        accelerator: with several processes, theirs: only the main one writes.
        progress: show progress.

    Returns:
        The metrics of every epoch, those before a resume included; each row has ``epoch``, from 0.

    Raises:
        CheckpointError: if the folder holds a checkpoint and ``resume`` is false, or the checkpoint is
            damaged or another task's.
    """
    is_main = accelerator is None or accelerator.is_main_process
    path = folder / CHECKPOINT
    settings: dict[str, Any] = json.loads(json.dumps(identity or {}))
    rows = _begin(task, path, settings, resume=resume, accelerator=accelerator)
    if is_main:
        _write_rows(folder, rows)
    with (
        tensorboard_log(folder / "tensorboard", len(rows), enabled=is_main) as log,
        epoch_bar(title, task.num_epochs, unit=unit, enabled=progress and is_main) as show,
        large_pages(),
    ):
        for epoch in range(len(rows), task.num_epochs):
            report = partial(_report, show, rows, epoch)
            report(0, 1)
            rows.append({"epoch": epoch, **task.run_epoch(epoch, report)})
            state = task.state_dict()
            if is_main:
                save_state(path, {"identity": settings, "rows": rows, "task": state})
                _write_rows(folder, rows)
                log(rows[-1])
            if accelerator is not None:
                accelerator.wait_for_everyone()
            report(1, 1)
    return rows


def _report(show: Show, rows: list[dict[str, float]], epoch: int, done: int, total: int) -> None:
    show(epoch + done / max(1, total), rows)


def _begin(
    task: Task, path: Path, identity: dict[str, Any], *, resume: bool, accelerator: Accelerator | None
) -> list[dict[str, float]]:
    """The rows of the epochs that are done, with the task as it was after them."""
    exists = path.exists()
    if exists and not resume:
        raise CheckpointError(
            f"{path.parent} already holds a checkpoint: resume it, or choose another folder"
        )
    if exists:
        return _restore(task, path, identity)
    if accelerator is not None:
        accelerator.wait_for_everyone()  # all have looked for a checkpoint before there is one
    if accelerator is None or accelerator.is_main_process:
        # The first weights too: a run killed in its first epoch goes on from the same ones.
        save_state(path, {"identity": identity, "rows": [], "task": task.state_dict()})
    return []


def _restore(task: Task, path: Path, identity: dict[str, Any]) -> list[dict[str, float]]:
    state = load_state(path)
    if set(state) != {"identity", "rows", "task"}:
        raise CheckpointError(f"{path}: no checkpoint of a training or search: delete it to start over")
    own = plain_identity(state, path)
    if own != identity:
        raise CheckpointError(
            f"{path} belongs to a run with other settings ({_difference(own, identity)}): "
            "resume with the same settings, or choose another folder"
        )
    try:
        task.load_state_dict(state["task"])
    except Exception as error:  # whatever was sealed into the file, and torch names each misfit otherwise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise CheckpointError(
            f"{path}: its state is not this task's ({reason}); delete it to start over"
        ) from None
    return _rows(state["rows"], path)


def _rows(rows: Any, path: Path) -> list[dict[str, float]]:
    is_sound = isinstance(rows, list) and all(
        isinstance(row, dict) and row.get("epoch") == index and all(map(_is_metric, row.items()))
        for index, row in enumerate(rows)
    )
    if not is_sound:
        raise CheckpointError(f"{path}: damaged: its rows are no metrics; delete it to start over")
    return list(rows)


def _is_metric(item: tuple[Any, Any]) -> bool:
    name, value = item
    return isinstance(name, str) and isinstance(value, (int, float, str))


def _difference(old: Any, new: Any, name: str = "") -> str:
    """The first few values that differ, as ``name: old, now new``."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
        return "; ".join(
            _difference(old.get(key), new.get(key), f"{name}.{key}".strip(".")) for key in keys[:3]
        )
    return f"{name}: {_shorten(old)}, now {_shorten(new)}"


def _shorten(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _write_rows(folder: Path, rows: list[dict[str, float]]) -> None:
    """``metrics.jsonl`` is written anew from the checkpoint's rows, so that the two never disagree."""
    write_metrics(folder / METRICS, rows)
