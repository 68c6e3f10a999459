"""A crew on a Ray cluster: the one that this computer belongs to, or one of its own cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from fbsearch.errors import DependencyError, WorkerError
from fbsearch.search.trials.workers.crew import Done
from fbsearch.search.trials.workers.threads import with_one_thread

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

MOST_DEATHS = 5
"""Of the workers that compute one and the same item."""


class RayCrew:
    """Tasks of one core each; Ray runs those of workers or nodes that died again.

    Args:
        ray: the module, initialised.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._apply = ray.remote(num_cpus=1, max_retries=MOST_DEATHS)(with_one_thread)

    def map(self, function: Callable[[_Item], _Result], items: Sequence[_Item], done: Done) -> list[_Result]:
        """See :class:`~fbsearch.search.trials.workers.crew.Crew`."""
        references = [self._apply.remote(function, item) for item in items]
        waiting = list(references)
        while waiting:
            _, waiting = self._ray.wait(waiting, num_returns=1)
            done(len(items) - len(waiting))
        try:
            return list(self._ray.get(references))
        except self._ray.exceptions.WorkerCrashedError as error:
            raise WorkerError(
                f"workers of the Ray cluster died over the same item: {str(error).splitlines()[0]}"
            ) from None
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None


@contextmanager
def ray_crew() -> Iterator[RayCrew]:
    """A crew on the cluster that ``RAY_ADDRESS`` names, or else on one of this computer's cores.

    Raises:
        DependencyError: if Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise DependencyError(
            "--workers ray needs Ray, which is not installed: pip install 'fbsearch[ray]', or give a number"
        ) from None
    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        yield RayCrew(ray)
    finally:
        if started:
            ray.shutdown()
