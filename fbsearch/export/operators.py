"""Many operators → model files, in parallel processes, each only once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import joblib
import torch
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from torch import nn

from fbsearch.architecture import Operator
from fbsearch.errors import ExportError
from fbsearch.export.cache import ConversionCache
from fbsearch.export.formats import ModelFormat, export_model
from fbsearch.nn import build

OPERATORS_PER_PROCESS = 4
"""A process spends several conversions' time on importing the converter: below this it does not pay."""


def convert_operators(
    operators: Sequence[Operator],
    model_format: ModelFormat,
    cache: ConversionCache,
    *,
    jobs: int | None = None,
    on_done: Callable[[Operator], None] | None = None,
) -> dict[Operator, Path]:
    """The model file of every operator; those that the cache lacks are converted in parallel.

    Every conversion lies in the cache as soon as it is finished: after an error or a kill, the next
    call goes on from there.

    Args:
        operators: what to convert; duplicates count once, identity operators are left out.
        model_format: what to convert it to.
        cache: where the files are looked for and put.
        jobs: number of processes; by default one per core, but no more than pay.
        on_done: called with each operator in the order in which their files are there.

    Returns:
        Operator → file, in the order of ``operators``.

    Raises:
        ExportError: if an operator cannot be converted (the message names it), a process was killed,
            or the cache cannot be written.
    """
    paths = {op: cache.path(op, model_format) for op in operators if not op.is_identity}
    missing = [op for op in paths if not paths[op].exists()]
    report = on_done or (lambda op: None)
    for op in paths:
        if op not in missing:
            report(op)
    if missing:
        cache.check_writable()
        for op in _converted(missing, paths, _num_processes(jobs, len(missing))):
            report(op)
    return paths


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


def _converted(missing: Sequence[Operator], paths: dict[Operator, Path], jobs: int) -> Iterator[Operator]:
    """Yields each operator once its file is there."""
    stopped = threading.Event()
    parallel = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")
    results = parallel(_tasks(missing, paths, stopped))
    finished = 0
    try:
        for op, error in results:
            if error is not None:
                raise error
            finished += 1
            yield op
    except TerminatedWorkerError as error:
        raise ExportError(
            f"a converter process was killed, perhaps for want of memory; {finished} of {len(missing)} "
            f"conversions are kept: run again, with fewer jobs than {jobs} if memory is short"
        ) from error
    finally:
        # Whether finished or interrupted, the processes end in order: killed, they would leave
        # semaphores behind, of which Python complains when the program ends; idle, they would keep
        # some 0.7 GB each while the models are measured.
        stopped.set()
        with suppress(TerminatedWorkerError):
            for _ in results:
                pass
        if jobs > 1:
            get_reusable_executor(reuse=True).shutdown(wait=True)


def _tasks(
    operators: Sequence[Operator], paths: dict[Operator, Path], stopped: threading.Event
) -> Iterator[Any]:
    """What the processes are to do, up to the moment at which nobody wants more."""
    for op in operators:
        if stopped.is_set():
            return
        yield joblib.delayed(_convert)(op, paths[op])


def _convert(operator: Operator, path: Path) -> tuple[Operator, ExportError | None]:
    """Returns the error: raised, it would have the other processes killed in the midst of their work."""
    size = operator.resolution
    try:
        with _one_torch_thread():
            export_model(random_module(operator), (operator.in_channels, size, size), path)
    except ExportError as error:
        return operator, ExportError(f"operator {operator}: {error}")
    return operator, None


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """The processes share the cores; torch's own threads would only stand in each other's way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
