"""Many operators → model files, in parallel processes, each only once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

import joblib
import torch
from torch import nn

from fbsearch.architecture import Operator
from fbsearch.errors import ExportError
from fbsearch.export.cache import ConversionCache
from fbsearch.export.formats import ModelFormat, export_model
from fbsearch.export.parallel import in_processes
from fbsearch.export.precisions import convert_precision, random_inputs
from fbsearch.nn import build
from fbsearch.precision import Precision

OPERATORS_PER_PROCESS = 4
"""A process spends several conversions' time on importing the converter: below this it does not pay."""


def convert_operators(
    operators: Sequence[Operator],
    model_format: ModelFormat,
    cache: ConversionCache,
    *,
    precision: Precision = "fp32",
    jobs: int | None = None,
    on_done: Callable[[Operator], None] | None = None,
) -> dict[Operator, Path]:
    """The model file of every operator, once all are there; see :func:`conversions`.

    Args:
        operators: what to convert; duplicates count once, those that are free are left out.
        model_format: what to convert it to.
        cache: where the files are looked for and put.
        precision: of the files; activations of int8 take their ranges from random inputs.
        jobs: number of processes; by default one per core, but no more than pay.
        on_done: called with each operator in the order in which their files are there.

    Returns:
        Operator → file, in the order of ``operators``.
    """
    paths = {}
    with closing(conversions(operators, model_format, cache, precision=precision, jobs=jobs)) as converted:
        for op, path in converted:
            paths[op] = path
            if on_done is not None:
                on_done(op)
    return {op: paths[op] for op in operators if op in paths}


def conversions(
    operators: Sequence[Operator],
    model_format: ModelFormat,
    cache: ConversionCache,
    *,
    precision: Precision = "fp32",
    jobs: int | None = None,
) -> Generator[tuple[Operator, Path], None, None]:
    """Every operator with its model file, as they come; those that the cache lacks are converted in parallel.

    Every conversion lies in the cache as soon as it is finished: after an error or a kill, the next
    call goes on from there. Closed early, it ends the processes in order.

    Args:
        operators: what to convert; duplicates count once, those that are free are left out.
        model_format: what to convert it to.
        cache: where the files are looked for and put.
        precision: of the files; activations of int8 take their ranges from random inputs.
        jobs: number of processes; by default one per core, but no more than pay.

    Raises:
        ExportError: if an operator cannot be converted (the message names it), a process was killed,
            or the cache cannot be written.
    """
    paths = {op: cache.path(op, model_format, precision) for op in operators if not op.is_free}
    missing = [op for op in paths if not paths[op].exists()]
    processes = _num_processes(jobs, len(missing)) if missing else 0
    for op, path in paths.items():
        if op not in missing:
            yield op, path
    if missing:
        cache.check_writable()
        items = [(op, cache.path(op, model_format), precision, paths[op]) for op in missing]
        with closing(in_processes(_convert, items, jobs=processes)) as done:
            yield from ((op, path) for op, _, _, path in done)


def random_module(operator: Operator) -> nn.Module:
    """The block of ``operator`` with weights that depend on nothing but its key.

    The norms' statistics are random too: folded into the convolutions, fresh ones would give biases of
    zero, which a converter may drop, though no trained network has them.
    """
    seed = int.from_bytes(hashlib.sha256(operator.key.encode()).digest()[:8], "big", signed=True)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        module = build(operator)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                assert part.running_mean is not None and part.running_var is not None
                part.running_mean.normal_(std=0.1)
                part.running_var.uniform_(0.5, 1.5)
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(std=0.1)
    return module.eval()


def _num_processes(jobs: int | None, num_missing: int) -> int:
    if jobs is None:
        return min(int(joblib.cpu_count()), -(-num_missing // OPERATORS_PER_PROCESS))
    if jobs < 1:
        raise ExportError(f"jobs must be at least 1, not {jobs}")
    return min(jobs, num_missing)


def _convert(item: tuple[Operator, Path, Precision, Path]) -> None:
    """The float file first, which every precision is made from: it is kept too."""
    operator, float_path, precision, path = item
    shapes = [shape.dimensions for shape in operator.inputs]
    try:
        if not float_path.exists():
            export_model(random_module(operator), shapes, float_path)
        if precision != "fp32":
            convert_precision(float_path, precision, [random_inputs(shape) for shape in shapes], path)
    except ExportError as error:
        raise ExportError(f"operator {operator}: {error}") from None
