"""Exported models that turned out to be over the budget: put aside, so that the next best takes their place.

They lie in ``attempts/1``, ``attempts/2``, … of a run's folder. What they took on the device goes to the
calibration, and the search chooses again, with the supernet that it has, among all other architectures.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from fbsearch.architecture import Architecture
from fbsearch.devices import Measurement, MeasurementProtocol
from fbsearch.pipeline.folder import RunPaths, RunRecord
from fbsearch.pipeline.verifying import Verification, load_verification

_STAGES = ("search", "train", "export", "verify")
"""They run again for the next best."""


@dataclass(frozen=True)
class Attempt:
    """An exported model over the budget.

    Args:
        folder: where its files lie.
        architecture: of the model.
        verification: what it took on the device.
    """

    folder: Path
    architecture: Architecture
    verification: Verification

    def measurement(self, protocol: MeasurementProtocol) -> Measurement:
        """Of the exported model.

        Args:
            protocol: under which it was measured.
        """
        return Measurement(
            self.verification.rounds_us,
            is_steady=self.verification.is_steady,
            confidence=protocol.confidence,
            target_relative_ci=protocol.target_relative_ci,
        )


def load_attempts(paths: RunPaths) -> list[Attempt]:
    """The models that a run has put aside, in their order.

    Raises:
        CheckpointError, ArchitectureError: if a file is missing or damaged.
    """
    found = [RunPaths(folder) for folder in _folders(paths)]
    return [Attempt(one.root, Architecture.load(one.architecture), load_verification(one)) for one in found]


def put_aside(paths: RunPaths, record: RunRecord, *, writes: bool) -> None:
    """Put the run's model aside and forget the stages that made it.

    Args:
        paths: of the run.
        record: of the run.
        writes: whether this process is the one that touches files.
    """
    if writes:
        (paths.attempts / str(len(_folders(paths)) + 1)).mkdir(parents=True)
        finish_putting_aside(paths, record)
    else:
        record.forget(_STAGES, writes=False)


def finish_putting_aside(paths: RunPaths, record: RunRecord) -> None:
    """Move the files that an interrupted :func:`put_aside` has left; the verification last, as a seal."""
    folders = _folders(paths)
    if not folders or RunPaths(folders[-1]).verification.exists():
        return
    record.forget(_STAGES)
    aside = RunPaths(folders[-1])
    aside.search.mkdir(exist_ok=True)
    for name in ("search_result", "inherited_weights", "architecture", "inputs", "weights", "train"):
        _move(getattr(paths, name), getattr(aside, name))
    for model in sorted(paths.root.glob("model.*")):
        _move(model, aside.root / model.name)
    _move(paths.verification, aside.verification)


def _move(path: Path, to: Path) -> None:
    if path.exists():
        shutil.move(path, to)


def _folders(paths: RunPaths) -> list[Path]:
    folders = paths.attempts.glob("[0-9]*") if paths.attempts.is_dir() else []
    return sorted(folders, key=lambda folder: int(folder.name))
