"""A run's folder: which file lies where, and the record of who made it."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fbsearch
from fbsearch.devices import LocalDevice
from fbsearch.errors import CheckpointError, FbsearchError
from fbsearch.export import precision_path
from fbsearch.files import read_json, write_json
from fbsearch.precision import Precision

_VERIFICATION = re.compile(r"verification(?:-(\d+))?")


@dataclass(frozen=True)
class RunPaths:
    """The files of a run's folder."""

    root: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.root / "recipe.yaml"

    @property
    def record(self) -> Path:
        """Versions, machine, command, stages."""
        return self.root / "run.json"

    @property
    def table(self) -> Path:
        """The latency table."""
        return self.table_of(1)

    def table_of(self, device: int) -> Path:
        """The latency table of a device, the first being number 1."""
        return self._of_device("table", device, ".json")

    def launches_of(self, device: int) -> Path:
        """Every launch of a benchmark tool on a phone, but those of profiling."""
        return self._of_device("launches", device, ".jsonl")

    @property
    def search(self) -> Path:
        """The search's folder."""
        return self.root / "search"

    @property
    def search_result(self) -> Path:
        """The distribution, the finalists, the chosen one."""
        return self.search / "result.json"

    @property
    def inherited_weights(self) -> Path:
        """The chosen architecture's weights from the supernet."""
        return self.search / "inherited.safetensors"

    @property
    def architecture(self) -> Path:
        """The chosen architecture."""
        return self.root / "architecture.json"

    @property
    def train(self) -> Path:
        """The training's folder."""
        return self.root / "train"

    @property
    def train_result(self) -> Path:
        """Test metrics of the trained network."""
        return self.train / "result.json"

    @property
    def weights(self) -> Path:
        """The trained weights."""
        return self.root / "weights.safetensors"

    @property
    def inputs(self) -> Path:
        """The data set, its classes and normalisation."""
        return self.root / "inputs.json"

    @property
    def verification(self) -> Path:
        """The check of the exported model on the device."""
        return self.verification_of(1)

    def verification_of(self, device: int) -> Path:
        """The check of the exported model on a device, the first being number 1."""
        return self._of_device("verification", device, ".json")

    def verified_devices(self) -> list[int]:
        """The numbers of the devices whose checks there are."""
        stems = [path.stem for path in self.root.glob("verification*.json")]
        numbers = [int(match[1] or 1) for match in map(_VERIFICATION.fullmatch, stems) if match]
        return sorted(numbers)

    def other_verification(self, model: str) -> Path:
        """The check of another model file than the run's own, by the file's name."""
        return self.root / f"verification.{model}.json"

    @property
    def attempts(self) -> Path:
        """Exported models that were over the budget, each in a folder with its number."""
        return self.root / "attempts"

    def model(self, model_format: str, precision: Precision = "fp32") -> Path:
        """A model file."""
        return precision_path(self.root / f"model.{model_format}", precision)

    def _of_device(self, name: str, device: int, suffix: str) -> Path:
        return self.root / f"{name if device == 1 else f'{name}-{device}'}{suffix}"


def require(path: Path, made_by: str) -> Path:
    """``path``, if the file exists.

    Raises:
        CheckpointError: naming the command that makes it.
    """
    if not path.exists():
        raise CheckpointError(f"{path} is missing; it is made by '{made_by}'")
    return path


class RunRecord:
    """``run.json``: versions, machine and command, and each stage's wall time or error.

    Args:
        paths: the run's files; an existing record is continued.
        seed: of the run.
    """

    def __init__(self, paths: RunPaths, *, seed: int) -> None:
        self._path = paths.record
        self._data = _read(paths.record) or {
            "fbsearch": fbsearch.__version__,
            "python": platform.python_version(),
            "torch": version("torch"),
            "machine": LocalDevice().describe().model_dump(mode="json"),
            "command": shlex.join(["fbsearch", *sys.argv[1:]]),
            "seed": seed,
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "stages": {},
        }

    @property
    def stages(self) -> tuple[str, ...]:
        """Those that have run, in their order."""
        return tuple(self._data["stages"])

    def is_done(self, stage: str) -> bool:
        """Whether a stage has ended without an error."""
        entry = self._data["stages"].get(stage)
        return entry is not None and entry.get("error") is None

    @contextmanager
    def stage(self, name: str, *, writes: bool = True) -> Iterator[None]:
        """Time a stage; an error is recorded and passed on. Only the process that ``writes`` saves it."""
        started = time.monotonic()
        error: str | None = None
        try:
            yield
        except FbsearchError as failure:
            error = str(failure)
            raise
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            seconds = self._earlier_seconds(name) + time.monotonic() - started
            self._data["stages"][name] = {"seconds": round(seconds, 3), "error": error}
            if writes:
                write_json(self._path, self._data)

    def forget(self, stages: Iterable[str], *, writes: bool = True) -> None:
        """Let stages run again. Only the process that ``writes`` saves it."""
        for name in stages:
            self._data["stages"].pop(name, None)
        if writes:
            write_json(self._path, self._data)

    def _earlier_seconds(self, name: str) -> float:
        """What an interrupted stage had taken already."""
        return float(self._data["stages"].get(name, {}).get("seconds") or 0.0)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot read the run's record: {error}") from None
    if not isinstance(data, dict) or not isinstance(data.get("stages"), dict):
        raise CheckpointError(f"{path}: not the record of a run; choose another folder with --out")
    return data


def check_writable(folder: Path) -> None:
    """Make sure, before hours of work, that a folder takes files.

    Raises:
        CheckpointError: if it does not.
    """
    probe = folder / f".writable.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"fbsearch")
        probe.unlink()
    except OSError as error:
        raise CheckpointError(
            f"{folder} cannot be written ({error.strerror or error}); choose another folder with --out"
        ) from None
