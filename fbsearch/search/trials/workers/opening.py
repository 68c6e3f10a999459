"""Opening a crew of any kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from fbsearch.nn.threads import one_thread
from fbsearch.search.trials.workers.crew import Crew, Done, Workers

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Alone:
    """No workers: everything is computed by this process."""

    def map(self, function: Callable[[_Item], _Result], items: Sequence[_Item], done: Done) -> list[_Result]:
        """See :class:`Crew`."""
        results = []
        with one_thread():
            for item in items:
                results.append(function(item))
                done(len(results))
        return results


def open_crew(workers: Workers) -> AbstractContextManager[Crew]:
    """A crew, whose workers end with the context.

    Args:
        workers: how many processes, 1 for this one alone; or ``ray``.

    Raises:
        DependencyError: if Ray is asked for and not installed.
    """
    if workers == "ray":
        from fbsearch.search.trials.workers.cluster import ray_crew

        return ray_crew()
    if workers == 1:
        return _alone()
    from fbsearch.search.trials.workers.processes import process_crew

    return process_crew(workers)


@contextmanager
def _alone() -> Iterator[Alone]:
    yield Alone()
