"""Conversions side by side, in processes that end in order whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import joblib
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from fbsearch.errors import ExportError
from fbsearch.nn.threads import one_thread

_Item = TypeVar("_Item")


def in_processes(
    convert: Callable[[_Item], None], items: Sequence[_Item], *, jobs: int
) -> Generator[_Item, None, None]:
    """Run ``convert`` on every item in ``jobs`` processes.

    Closed early, it lets the conversions that have begun end, and leaves the others.

    Args:
        convert: picklable; an ExportError of its is raised here.
        items: picklable.
        jobs: number of processes; one runs within this one.

    Yields:
        Each item once it is converted, in the order in which they end.

    Raises:
        ExportError: as ``convert`` raises it, or if a process was killed.
    """
    stopped = threading.Event()
    parallel = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")
    results = parallel(_tasks(convert, items, stopped))
    finished = 0
    try:
        for item, error in results:
            if error is not None:
                raise error
            finished += 1
            yield item
    except TerminatedWorkerError as error:
        raise ExportError(
            f"a converter process was killed, perhaps for want of memory; {finished} of {len(items)} "
            f"conversions are kept: run again, with fewer jobs than {jobs} if memory is short"
        ) from error
    finally:
        # Whether finished or interrupted, the processes end in order: killed, they would leave
        # semaphores behind, of which Python complains when the program ends; idle, they would keep
        # some 0.7 GB each while the models are measured.
        stopped.set()
        with suppress(TerminatedWorkerError):
            for _ in results:
                pass
        if jobs > 1:
            get_reusable_executor(reuse=True).shutdown(wait=True)


def _tasks(
    convert: Callable[[_Item], None], items: Sequence[_Item], stopped: threading.Event
) -> Iterator[Any]:
    """What the processes are to do, up to the moment at which nobody wants more."""
    for item in items:
        if stopped.is_set():
            return
        yield joblib.delayed(_attempt)(convert, item)


def _attempt(convert: Callable[[_Item], None], item: _Item) -> tuple[_Item, ExportError | None]:
    """Returns the error: raised, it would have the other processes killed in the midst of their work."""
    try:
        with one_thread():
            convert(item)
    except ExportError as error:
        return item, error
    return item, None
