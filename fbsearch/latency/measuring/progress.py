"""What a person sees while models are converted and measured."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_LINES = 10
"""So many lines tell how far measuring has come."""


class ProfileDisplay(Protocol):
    """Told, within its block, how far a profile has come."""

    def __enter__(self) -> ProfileDisplay:
        """From here on there is something to tell."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is no more to tell."""
        ...

    def converted(self) -> None:
        """One more model is converted."""
        ...

    def start_measuring(self) -> None:
        """From here on measuring takes time."""
        ...

    def measured(self, share: float) -> None:
        """Measuring has come so far, in [0, 1]."""
        ...


class Display(Protocol):
    """Makes a display of so many models."""

    def __call__(self, num_models: int, *, what: str = "models") -> ProfileDisplay:
        """``what`` the models are."""
        ...


class ProfileLines:
    """A line at every tenth of the way: for several profiles at once, and where there is no terminal.

    Args:
        num_models: to measure.
        notify: takes the lines.
        what: the models are.
    """

    def __init__(self, num_models: int, *, notify: Callable[[str], None], what: str = "models") -> None:
        self._models = f"{num_models} {what}"
        self._notify = notify
        self._last: int | None = None

    def __enter__(self) -> ProfileLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to tell."""

    def converted(self) -> None:
        """Not told."""

    def start_measuring(self) -> None:
        """From here on measuring takes time."""
        self._notify(f"measuring {self._models}")

    def measured(self, share: float) -> None:
        """Measuring has come so far, in [0, 1]."""
        tenths = int(share * _LINES + 1e-9)
        if self._last is not None and tenths <= self._last:
            return
        is_first, self._last = self._last is None, tenths
        if not is_first or tenths:
            self._notify(f"measured {tenths / _LINES:.0%}")


class ProfileProgress:
    """Two bars with the time left, on standard error; nothing where that is no terminal.

    Args:
        num_models: to convert and measure.
        show: True or False overrides the look at the terminal.
        what: the models are.
    """

    def __init__(self, num_models: int, *, show: bool | None = None, what: str = "models") -> None:
        console = Console(stderr=True)
        visible = console.is_terminal if show is None else show
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not visible,
        )
        self._converting = self._progress.add_task(f"Converting {num_models} {what}", total=num_models)
        self._measuring = self._progress.add_task(f"Measuring {num_models} {what}", total=1.0, start=False)

    def __enter__(self) -> ProfileProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def converted(self) -> None:
        """One more model is converted."""
        self._progress.advance(self._converting)

    def start_measuring(self) -> None:
        """From here on measuring takes time."""
        self._progress.start_task(self._measuring)

    def measured(self, share: float) -> None:
        """Measuring has come so far, in [0, 1]."""
        self._progress.update(self._measuring, completed=share)
