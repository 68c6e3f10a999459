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
from typing import TYPE_CHECKING, TypeVar

from fbsearch.architecture import Architecture, Operator
from fbsearch.devices.description import RuntimeName
from fbsearch.devices.runner import RUNTIME_FORMATS
from fbsearch.errors import ExportError
from fbsearch.precision import Precision

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache

_Item = TypeVar("_Item")

Conversion = Callable[[Sequence[_Item]], Generator[tuple[_Item, Path], None, None]]
"""What is to be measured to model files, each as soon as it is there; closed early, it stops in order."""

Converter = Conversion[Operator]
NetworkConverter = Conversion[Architecture]


def converting(
    runtime: RuntimeName,
    *,
    precision: Precision = "fp32",
    cache: ConversionCache | None = None,
    jobs: int | None = None,
) -> Converter:
    """Converts what ``cache`` lacks, in ``jobs`` parallel processes."""

    def convert(operators: Sequence[Operator]) -> Generator[tuple[Operator, Path], None, None]:
        from fbsearch.export import ConversionCache, conversions  # needs torch: only when used

        store = cache if cache is not None else ConversionCache()
        yield from conversions(operators, RUNTIME_FORMATS[runtime], store, precision=precision, jobs=jobs)

    return convert


def converting_networks(
    runtime: RuntimeName,
    *,
    precision: Precision = "fp32",
    cache: ConversionCache | None = None,
    jobs: int | None = None,
) -> NetworkConverter:
    """Converts the whole networks that ``cache`` lacks, in ``jobs`` parallel processes."""

    def convert(architectures: Sequence[Architecture]) -> Generator[tuple[Architecture, Path], None, None]:
        from fbsearch.export import ConversionCache  # needs torch: only when used
        from fbsearch.latency.measuring.networks import network_conversions

        store = cache if cache is not None else ConversionCache()
        model_format = RUNTIME_FORMATS[runtime]
        yield from network_conversions(architectures, model_format, store, precision=precision, jobs=jobs)

    return convert


def converted_in(folder: Path, runtime: RuntimeName) -> Converter:
    """Takes models from a folder of files ``KEY.tflite`` or, as in the cache, ``KEY-….tflite``."""

    def find(operators: Sequence[Operator]) -> Generator[tuple[Operator, Path], None, None]:
        for operator in operators:
            yield operator, _model_in(folder, operator, RUNTIME_FORMATS[runtime])

    return find


@contextmanager
def in_background(
    convert: Conversion[_Item], items: Sequence[_Item], *, batch: int
) -> Iterator[Iterator[dict[_Item, Path]]]:
    """Conversions in a thread, handed out in batches of what is ready, at least ``batch`` at a time.

    When the block ends early, what is being converted is finished and the rest left.

    Yields:
        The batches; an error of the conversion is raised by the next one.
    """
    ready: queue.Queue[tuple[_Item, Path] | BaseException | None] = queue.Queue()
    is_wanted = True

    def work() -> None:
        try:
            with closing(convert(items)) as stream:
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
    ready: queue.Queue[tuple[_Item, Path] | BaseException | None], size: int
) -> Iterator[dict[_Item, Path]]:
    collected: dict[_Item, Path] = {}
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
