"""The log of what was done in a run's folder, by whom and with what."""

from __future__ import annotations

import platform
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timezone
from importlib.metadata import version

import fbsearch
from fbsearch.devices import LocalDevice
from fbsearch.errors import CheckpointError, FbsearchError
from fbsearch.files import check_writable
from fbsearch.ownership import owned
from fbsearch.records import RunPaths, RunRecord, StageRecord, find_record, write_record
from fbsearch.train import join_processes


class RunLog:
    """Keeps ``run.json``: versions, machine and command, and each stage's wall time or error.

    Args:
        paths: the run's files; an existing record is continued.
        seed: of the run.
    """

    def __init__(self, paths: RunPaths, *, seed: int) -> None:
        self._path = paths.record
        self._record = find_record(paths.record, RunRecord) or _begin(seed)

    @property
    def stages(self) -> tuple[str, ...]:
        """Those that have run, in their order."""
        return tuple(self._record.stages)

    def is_done(self, stage: str) -> bool:
        """Whether a stage has ended without an error."""
        entry = self._record.stages.get(stage)
        return entry is not None and entry.error is None

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
            entry = StageRecord(seconds=round(seconds, 3), error=error)
            self._keep({**self._record.stages, name: entry}, writes=writes)

    def forget(self, stages: Iterable[str], *, writes: bool = True) -> None:
        """Let stages run again. Only the process that ``writes`` saves it."""
        forgotten = set(stages)
        left = {name: entry for name, entry in self._record.stages.items() if name not in forgotten}
        self._keep(left, writes=writes)

    def _keep(self, stages: dict[str, StageRecord], *, writes: bool) -> None:
        self._record = self._record.model_copy(update={"stages": stages})
        if writes:
            write_record(self._path, self._record)

    def _earlier_seconds(self, name: str) -> float:
        """What an interrupted stage had taken already."""
        entry = self._record.stages.get(name)
        return 0.0 if entry is None else entry.seconds or 0.0


@contextmanager
def stage_alone(paths: RunPaths, name: str, *, seed: int) -> Iterator[None]:
    """A stage by itself, in a folder that no other process writes meanwhile.

    Raises:
        CheckpointError: if the folder cannot be written, or is in use by another process.
    """
    leads = join_processes().is_main_process
    check_writable(paths.root)
    held = owned(paths.root, error=CheckpointError, remedy="choose another --out") if leads else nullcontext()
    with held, RunLog(paths, seed=seed).stage(name, writes=leads):
        yield


def _begin(seed: int) -> RunRecord:
    return RunRecord(
        fbsearch=fbsearch.__version__,
        python=platform.python_version(),
        torch=version("torch"),
        machine=LocalDevice().describe().model_dump(mode="json"),
        command=shlex.join(["fbsearch", *sys.argv[1:]]),
        seed=seed,
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
