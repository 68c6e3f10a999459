"""Exported models that turned out to break a budget: put aside, so that the next best takes their place.

They lie in ``attempts/1``, ``attempts/2``, … of a run's folder. What they took on each device goes to its
calibration, what their files hold to the estimate of sizes, and the search chooses again, with the supernet
that it has, among all other architectures.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from fbsearch.architecture import Architecture
from fbsearch.devices import Measurement, MeasurementProtocol
from fbsearch.errors import CheckpointError
from fbsearch.pipeline.choice.judging import Verifications
from fbsearch.pipeline.stages.run_log import RunLog
from fbsearch.pipeline.stages.verifying import load_verifications
from fbsearch.records import RunPaths
from fbsearch.records.run import stage_kind

_MEASURING = ("profile", "calibrate")
"""Kinds of the stages that do not run again for the next best."""


@dataclass(frozen=True)
class Attempt:
    """An exported model that broke a budget.

    Args:
        folder: where its files lie.
        architecture: of the model.
        verifications: what it took on every target, and which budgets it kept.
    """

    folder: Path
    architecture: Architecture
    verifications: Verifications

    def measurement(self, protocol: MeasurementProtocol, number: int) -> Measurement:
        """Of the exported model.

        Args:
            protocol: under which it was measured.
            number: of the target, from 1.

        Raises:
            CheckpointError: if it was not measured there.
        """
        if number not in self.verifications:
            raise CheckpointError(
                f"{RunPaths(self.folder).verification(number)} is missing; it is made by 'fbsearch run'"
            )
        verification = self.verifications[number]
        return Measurement(
            verification.rounds_us,
            is_steady=verification.is_steady is not False,
            confidence=protocol.confidence,
            target_relative_ci=protocol.target_relative_ci,
        )


def load_attempts(paths: RunPaths) -> list[Attempt]:
    """The models that a run has put aside, in their order.

    Raises:
        CheckpointError, ArchitectureError: if a file is missing or damaged.
    """
    return [
        Attempt(one.root, Architecture.load(one.architecture), load_verifications(one))
        for one in paths.each_attempt()
    ]


def put_aside(paths: RunPaths, record: RunLog, *, writes: bool) -> None:
    """Put the run's model aside and forget the stages that made it.

    Args:
        paths: of the run.
        record: of the run.
        writes: whether this process is the one that touches files.
    """
    if writes:
        paths.attempt(len(list(paths.each_attempt())) + 1).root.mkdir(parents=True)
        finish_putting_aside(paths, record)
    else:
        record.forget(_repeated(record), writes=False)


def finish_putting_aside(paths: RunPaths, record: RunLog) -> None:
    """Move the files that an interrupted :func:`put_aside` has left; the verification last, as a seal."""
    *_, aside = [None, *paths.each_attempt()]
    if aside is None or aside.verification().exists():
        return
    record.forget(_repeated(record))
    aside.search.mkdir(exist_ok=True)
    for name in ("search_result", "inherited_weights", "architecture", "inputs", "weights", "train"):
        _move(getattr(paths, name), getattr(aside, name))
    for path in sorted([*paths.root.glob("model.*"), *paths.root.glob("verification-*.json")]):
        _move(path, aside.root / path.name)
    _move(paths.verification(), aside.verification())


def _repeated(record: RunLog) -> list[str]:
    """The stages that run again for the next best."""
    return [name for name in record.stages if stage_kind(name) not in _MEASURING]


def _move(path: Path, to: Path) -> None:
    if path.exists():
        shutil.move(path, to)
