"""What a person sees while models are converted and measured."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


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
