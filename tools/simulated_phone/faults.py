"""Faults to order: what goes wrong, during what, after how many good operations, how often."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

FaultKind = Literal[
    "cable_pulled",
    "rebooting",
    "adbd_killed",
    "authorisation_revoked",
    "disk_full",
    "hung_binary",
    "crashing_binary",
    "wrong_abi",
    "truncated_output",
    "garbage_output",
    "throttled",
    "silent",
    "short_push",
]
Moment = Literal["connect", "push", "shell", "benchmark", "pull"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)

_LINK: tuple[Moment, ...] = MOMENTS
_ALLOWED: dict[str, tuple[Moment, ...]] = {
    "cable_pulled": _LINK,
    "rebooting": _LINK,
    "adbd_killed": _LINK,
    "authorisation_revoked": _LINK,
    "silent": _LINK,
    "disk_full": ("push", "shell", "benchmark"),
    "hung_binary": ("benchmark",),
    "crashing_binary": ("benchmark",),
    "wrong_abi": ("benchmark",),
    "truncated_output": ("benchmark",),
    "garbage_output": ("benchmark",),
    "throttled": ("benchmark",),
    "short_push": ("push",),
}
_SECONDS: dict[str, float] = {
    "cable_pulled": 1.0,
    "rebooting": 2.0,
    "adbd_killed": 0.3,
    "silent": 2.0,
    "throttled": 2.0,
}
LINK_FAULTS = ("cable_pulled", "rebooting", "adbd_killed", "authorisation_revoked", "silent")
"""Faults of the link and the system; every other one belongs to the operation that it hits."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Args:
        kind: what.
        at: during what kind of operation. ``benchmark`` is a launch of one of the two tools.
        after: how many such operations go well first, counted from the injection.
        times: how many of them in a row are hit; for ``throttled``, the launches that are slow.
        seconds: how long the phone is away, silent, or throttled without another launch; None is the
            kind's own default.
        variant: ``garbage_output``: ``noise``, ``nan``, ``negative`` or ``count0``; ``truncated_output``:
            ``line`` (cut within the measured line), ``warm-up`` (nothing after the warm-up) or ``empty``;
            ``rebooting``: ``slow-services`` (``dumpsys`` and ``cmd`` find nobody for as long again).
    """

    kind: FaultKind
    at: Moment = "benchmark"
    after: int = 0
    times: int = 1
    seconds: float | None = None
    variant: str = ""

    def __post_init__(self) -> None:
        if self.kind not in _ALLOWED:
            raise ValueError(f"no fault {self.kind!r}; there are {', '.join(_ALLOWED)}")
        if self.at not in _ALLOWED[self.kind]:
            raise ValueError(
                f"{self.kind} cannot happen at {self.at!r}, only at {', '.join(_ALLOWED[self.kind])}"
            )
        if self.after < 0 or self.times < 1:
            raise ValueError(
                f"{self.kind}: after={self.after}, times={self.times}; give after >= 0, times >= 1"
            )

    @property
    def duration_s(self) -> float:
        """How long the phone is away, silent or hot."""
        return self.seconds if self.seconds is not None else _SECONDS.get(self.kind, 0.0)


def read_faults(file: Path) -> list[Fault]:
    """Faults from a JSON file: a list of objects with the names of :class:`Fault`'s arguments."""
    return [Fault(**item) for item in json.loads(file.read_text(encoding="utf-8"))]


class FaultPlan:
    """The faults that are still to come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []

    def inject(self, fault: Fault) -> None:
        """Let a fault happen; operations count from now."""
        with self._lock:
            self._waiting.append(_Waiting(fault))

    def take(self, at: Moment) -> list[Fault]:
        """Count an operation, and get the faults that hit it."""
        with self._lock:
            hits = [waiting.fault for waiting in self._waiting if waiting.fault.at == at and waiting.counts()]
            self._waiting = [waiting for waiting in self._waiting if not waiting.is_over]
        return hits

    @property
    def imminent(self) -> list[Fault]:
        """Faults that hit the next operation of their kind."""
        with self._lock:
            return [waiting.fault for waiting in self._waiting if waiting.is_next]

    @property
    def pending(self) -> list[Fault]:
        """Faults that have not happened as often as they should."""
        with self._lock:
            return [waiting.fault for waiting in self._waiting]


class _Waiting:
    """A fault and how many operations it has seen."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._seen = 0

    @property
    def is_over(self) -> bool:
        # Heat comes once, and counts its launches itself.
        times = 1 if self.fault.kind == "throttled" else self.fault.times
        return self._seen >= self.fault.after + times

    @property
    def is_next(self) -> bool:
        return self._seen >= self.fault.after

    def counts(self) -> bool:
        self._seen += 1
        return self._seen > self.fault.after
