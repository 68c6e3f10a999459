"""Where the model files of operators come from: converted now, or taken from a folder.

The converters need torch; a folder of models converted elsewhere does not, so that a small machine
with an interpreter alone can be profiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fbsearch.architecture import Operator
from fbsearch.devices.description import RuntimeName
from fbsearch.devices.runner import RUNTIME_FORMATS
from fbsearch.errors import ExportError

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache

Converter = Callable[[Sequence[Operator], Callable[[Operator], None]], Mapping[Operator, Path]]
"""Operators, and whom to tell of each finished one, to their model files."""


def converting(
    runtime: RuntimeName, *, cache: ConversionCache | None = None, jobs: int | None = None
) -> Converter:
    """Converts what ``cache`` lacks, in ``jobs`` parallel processes."""

    def convert(
        operators: Sequence[Operator], on_done: Callable[[Operator], None]
    ) -> Mapping[Operator, Path]:
        from fbsearch.export import ConversionCache, convert_operators  # needs torch: only when used

        store = cache if cache is not None else ConversionCache()
        return convert_operators(operators, RUNTIME_FORMATS[runtime], store, jobs=jobs, on_done=on_done)

    return convert


def converted_in(folder: Path, runtime: RuntimeName) -> Converter:
    """Takes models from a folder of files ``KEY.tflite`` or, as in the cache, ``KEY-….tflite``."""

    def find(operators: Sequence[Operator], on_done: Callable[[Operator], None]) -> Mapping[Operator, Path]:
        found = {}
        for operator in operators:
            found[operator] = _model_in(folder, operator, RUNTIME_FORMATS[runtime])
            on_done(operator)
        return found

    return find


def _model_in(folder: Path, operator: Operator, suffix: str) -> Path:
    exact = folder / f"{operator.key}.{suffix}"
    models = [exact] if exact.exists() else sorted(folder.glob(f"{operator.key}-*.{suffix}"))
    if len(models) != 1:
        raise ExportError(
            f"{folder} holds {len(models) or 'no'} models of {operator.key}; one is needed, as {exact.name}"
        )
    return models[0]
