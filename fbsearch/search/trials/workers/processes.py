"""A crew of processes on this computer (loky's, as joblib has them), each replaced by itself if it dies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Lock
from typing import Any, TypeVar

from joblib.externals.loky import ProcessPoolExecutor, process_executor

from fbsearch.errors import WorkerError
from fbsearch.search.trials.workers.crew import Done
from fbsearch.search.trials.workers.threads import with_one_thread

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

MOST_DEATHS = 5
"""Of the workers that compute one and the same item: then it is the item, or the memory."""


class ProcessCrew:
    """Processes of one worker each, so that the death of one leaves the others at their work.

    Args:
        num_workers: how many.
    """

    def __init__(self, num_workers: int) -> None:
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        self._workers = [_Worker() for _ in range(num_workers)]
        for worker in self._workers:
            self._free.put(worker)
        self._threads = ThreadPoolExecutor(num_workers)

    def map(self, function: Callable[[_Item], _Result], items: Sequence[_Item], done: Done) -> list[_Result]:
        """See :class:`~fbsearch.search.trials.workers.crew.Crew`."""
        counted = _Counter(done)
        futures = [self._threads.submit(self._apply, function, item, counted) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """End the workers, whatever they are at."""
        for worker in self._workers:
            worker.end()
        self._threads.shutdown(cancel_futures=True)

    def _apply(self, function: Callable[[_Item], _Result], item: _Item, counted: _Counter) -> _Result:
        worker = self._free.get()
        try:
            result: _Result = worker.apply(function, item)
        finally:
            self._free.put(worker)
        counted.add()
        return result


class _Worker:
    """A process, made when it is first needed and made anew after its death."""

    def __init__(self) -> None:
        self._executor: Any = None
        self._ended = False

    def apply(self, function: Callable[[Any], Any], item: Any) -> Any:
        for _ in range(MOST_DEATHS):
            if self._executor is None:
                self._executor = ProcessPoolExecutor(max_workers=1, initializer=_keep_memory)
            try:
                return self._executor.submit(with_one_thread, function, item).result()
            except BrokenProcessPool:
                self._executor = None
                if self._ended:
                    raise CancelledError from None
        raise WorkerError(
            f"{MOST_DEATHS} worker processes died over the same item: is there memory for as many --workers?"
        )

    def end(self) -> None:
        self._ended = True
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=True)


class _Counter:
    """Counts what several threads have done."""

    def __init__(self, done: Done) -> None:
        self._done, self._lock, self._number = done, Lock(), 0

    def add(self) -> None:
        with self._lock:
            self._number += 1
            self._done(self._number)


def _keep_memory() -> None:
    """Memory that torch keeps for the next structure is no leak, for which loky would replace the worker."""
    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize


@contextmanager
def process_crew(num_workers: int) -> Iterator[ProcessCrew]:
    """A crew of processes, which end with the context."""
    crew = ProcessCrew(num_workers)
    try:
        yield crew
    finally:
        crew.close()
