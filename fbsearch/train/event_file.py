"""Curves for TensorBoard, in its format of event files.

Its own writer hands rows to a thread, which tells of a full disk by a traceback, past the command's one line.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

_FORMAT = "brain.Event:2"


class EventFile:
    """A file of scalars by step, each row on disk as soon as it is added.

    Args:
        folder: where the file goes, beside those of earlier, interrupted runs.
        first_step: what earlier files hold of this and later steps is purged from the curves.

    Raises:
        OSError: if it cannot be written.
    """

    def __init__(self, folder: Path, *, first_step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # slow; only trainings need it
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event = Event
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        self._file = _free(folder, name).open("xb")
        self._records = RecordWriter(self._file)
        self._write(file_version=_FORMAT)
        self._write(step=first_step, session_log=SessionLog(status=SessionLog.START))
        self._file.flush()

    def __enter__(self) -> EventFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, row: Mapping[str, float], *, step: int) -> None:
        """Write a row: values by their names.

        Raises:
            OSError: if it cannot be written.
        """
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items()]
        self._write(step=step, summary=Summary(value=values))
        self._file.flush()

    def _write(self, **fields: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())


def _free(folder: Path, name: str) -> Path:
    """A file that is not there yet: a process may train twice within a second."""
    number = 0
    while (path := folder / f"{name}.{number}").exists():
        number += 1
    return path
