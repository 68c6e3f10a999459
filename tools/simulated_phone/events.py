"""What happened on the simulated phone, in order, so that a test can assert that it did."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Args:
        at_s: seconds since the phone was made.
        kind: such as ``connected``, ``push``, ``shell``, ``launch``, ``fault``.
        detail: what tells it apart: path and size, the command, the kind of fault.
    """

    at_s: float
    kind: str
    detail: dict[str, object] = field(default_factory=dict)


class EventLog:
    """Events of every thread, appended in order; optionally also written to a file, one JSON line each."""

    def __init__(self, file: Path | None = None) -> None:
        self._start_s = time.monotonic()
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._file = file

    def append(self, kind: str, **detail: object) -> None:
        """Record that something of this kind happened now."""
        event = Event(round(time.monotonic() - self._start_s, 4), kind, detail)
        with self._changed:
            self._events.append(event)
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as out:
                    out.write(json.dumps({"at_s": event.at_s, "kind": kind, **detail}) + "\n")
            self._changed.notify_all()

    def of(self, kind: str) -> list[Event]:
        """The events of one kind so far."""
        return [event for event in self if event.kind == kind]

    def wait_for(self, kind: str, *, count: int = 1, timeout_s: float = 10) -> list[Event]:
        """Wait until a kind happened so often; a TimeoutError tells what happened instead."""
        with self._changed:
            if self._changed.wait_for(lambda: len(self._of(kind)) >= count, timeout_s):
                return self._of(kind)
            seen = ", ".join(event.kind for event in self._events) or "nothing"
        raise TimeoutError(f"{kind!r} did not happen {count} times within {timeout_s} s; there was: {seen}")

    def __iter__(self) -> Iterator[Event]:
        with self._changed:
            return iter(list(self._events))

    def __len__(self) -> int:
        with self._changed:
            return len(self._events)

    def _of(self, kind: str) -> list[Event]:
        return [event for event in self._events if event.kind == kind]
