"""What measuring is told besides what and where: where model files come from, and who watches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from fbsearch.devices.log import Event
from fbsearch.latency.measuring.conversion import Converter, NetworkConverter, converting, converting_networks
from fbsearch.latency.measuring.progress import Display, ProfileProgress
from fbsearch.latency.measuring.runtime import RuntimeChoice

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache


@dataclass(frozen=True)
class ModelSource:
    """Where model files come from.

    Args:
        cache: of converted models; None for the user's.
        jobs: processes that convert in parallel; None for as many as pay.
        operators: gives the models of operators, in place of ``cache`` and ``jobs``.
        networks: gives those of whole networks, likewise.
    """

    cache: ConversionCache | None = None
    jobs: int | None = None
    operators: Converter | None = None
    networks: NetworkConverter | None = None

    def of_operators(self, how: RuntimeChoice) -> Converter:
        """Makes the models of operators for a runtime."""
        return self.operators or converting(
            how.runtime, precision=how.precision, cache=self.cache, jobs=self.jobs
        )

    def of_networks(self, how: RuntimeChoice) -> NetworkConverter:
        """Makes the models of whole networks for a runtime."""
        return self.networks or converting_networks(
            how.runtime, precision=how.precision, cache=self.cache, jobs=self.jobs
        )


@dataclass(frozen=True)
class Watch:
    """Who watches a measurement, and may end it.

    Args:
        progress: bars on screen; None shows them where standard error is a terminal.
        display: makes what is told of progress, in place of the bars.
        stop: once set, measuring ends with the present round, as by Ctrl-C: for a thread that has none.
    """

    progress: bool | None = None
    display: Display | None = None
    stop: threading.Event | None = None

    @property
    def shows(self) -> Display:
        """Makes what is told of progress."""
        return self.display or partial(ProfileProgress, show=self.progress)

    def keeping(self, keep: Callable[[Event], None]) -> Callable[[Event], None]:
        """``keep``, after which a measurement that shall stop does."""

        def kept(event: Event) -> None:
            keep(event)
            if self.stop is not None and self.stop.is_set():
                raise KeyboardInterrupt

        return kept


CONVERTED = ModelSource()
"""The user's cache, and conversions where it lacks a model."""
ON_SCREEN = Watch()
"""Bars where there is a terminal."""
