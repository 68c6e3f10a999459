"""Where the model files of operators come from: converted now, or taken from a folder.

The converters need torch; a folder of models converted elsewhere does not, so that a small machine
with an interpreter alone can be profiled.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fbsearch.architecture import Operator
from fbsearch.devices.description import RuntimeName
from fbsearch.devices.runner import RUNTIME_FORMATS
from fbsearch.errors import ExportError

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache

Converter = Callable[[Sequence[Operator]], Generator[tuple[Operator, Path], None, None]]
"""Operators to their model files, each as soon as it is there; closing it early stops the work in order."""


def converting(
    runtime: RuntimeName, *, cache: ConversionCache | None = None, jobs: int | None = None
) -> Converter:
    """Converts what ``cache`` lacks, in ``jobs`` parallel processes."""

    def convert(operators: Sequence[Operator]) -> Generator[tuple[Operator, Path], None, None]:
        from fbsearch.export import ConversionCache, conversions  # needs torch: only when used

        store = cache if cache is not None else ConversionCache()
        yield from conversions(operators, RUNTIME_FORMATS[runtime], store, jobs=jobs)

    return convert


def converted_in(folder: Path, runtime: RuntimeName) -> Converter:
    """Takes models from a folder of files ``KEY.tflite`` or, as in the cache, ``KEY-….tflite``."""

    def find(operators: Sequence[Operator]) -> Generator[tuple[Operator, Path], None, None]:
        for operator in operators:
            yield operator, _model_in(folder, operator, RUNTIME_FORMATS[runtime])

    return find


@contextmanager
def in_background(
    convert: Converter, operators: Sequence[Operator], *, batch: int
) -> Iterator[Iterator[dict[Operator, Path]]]:
    """Conversions in a thread, handed out in batches of what is ready, at least ``batch`` at a time.

    When the block ends early, what is being converted is finished and the rest left.

    Yields:
        The batches; an error of the conversion is raised by the next one.
    """
    ready: queue.Queue[tuple[Operator, Path] | BaseException | None] = queue.Queue()
    is_wanted = True

    def work() -> None:
        try:
            with closing(convert(operators)) as stream:
                for item in stream:
                    ready.put(item)
                    if not is_wanted:
                        return
        except BaseException as error:  # handed to the thread that waits
            ready.put(error)
        else:
            ready.put(None)

    thread = threading.Thread(target=work, name="converting", daemon=True)
    thread.start()
    try:
        yield _batches(ready, batch)
    finally:
        is_wanted = False
        thread.join()


def _batches(
    ready: queue.Queue[tuple[Operator, Path] | BaseException | None], size: int
) -> Iterator[dict[Operator, Path]]:
    collected: dict[Operator, Path] = {}
    while (item := ready.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        collected[item[0]] = item[1]
        if len(collected) >= size and ready.empty():
            yield collected
            collected = {}
    if collected:
        yield collected


def _model_in(folder: Path, operator: Operator, suffix: str) -> Path:
    exact = folder / f"{operator.key}.{suffix}"
    models = [exact] if exact.exists() else sorted(folder.glob(f"{operator.key}-*.{suffix}"))
    if len(models) != 1:
        raise ExportError(
            f"{folder} holds {len(models) or 'no'} models of {operator.key}; one is needed, as {exact.name}"
        )
    return models[0]
