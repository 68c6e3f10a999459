"""Tracing a module at less than half the cost, which tells when a hundred operators are converted.

Four things cost more than the conversion of a block itself (measured on FBNet's with torch 2.13,
litert-torch 0.10 and onnxscript 0.7): the garbage collector, which walks the few million objects of
torch, sympy and jax again and again; torch.export, which looks up all C++ operators anew for each of
some thirty operator namespaces in each of five passes; decomposition, which traces a whole program to
change a few of its nodes (two thirds of the time of a network of cells); and torch.onnx, which parses the
source of its five hundred translations anew for every model. All but the first are private to torch: where
a release has them no more, conversion is merely slower.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def fast_tracing() -> Iterator[None]:
    """The collector pauses, and torch.export looks its operators up once, throughout the process."""
    import torch._export.utils as export_utils  # brings much of torch along, which only converting needs

    with _collector_paused(), _replaced(export_utils, "_materialize_cpp_cia_ops", functools.cache):
        yield


@contextmanager
def fast_decomposition() -> Iterator[None]:
    """Exported programs are decomposed by the nodes that change, see :mod:`fbsearch.export.retracing`."""
    from torch.export import ExportedProgram  # likewise

    from fbsearch.export.retracing import by_node

    with _replaced(ExportedProgram, "run_decompositions", by_node):
        yield


@contextmanager
def remembered_translations() -> Iterator[None]:
    """torch.onnx builds its table of translations once in the life of the process."""
    from torch.onnx._internal.exporter import _registration as registration  # likewise

    with _replaced(registration.ONNXRegistry, "from_torchlib", _from_memory):
        yield


@contextmanager
def _collector_paused() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _replaced(
    owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """``owner.name`` is ``wrap`` of itself within the block, if it is there at all."""
    if not hasattr(owner, name):
        yield
        return
    original = vars(owner)[name]
    setattr(owner, name, wrap(getattr(owner, name)))
    try:
        yield
    finally:
        setattr(owner, name, original)


def _from_memory(build: Callable[..., Any]) -> Callable[..., Any]:
    return functools.partial(_built, build)


@functools.cache
def _built(build: Callable[..., Any], **options: Any) -> Any:
    """What ``build`` makes of ``options``, kept for the life of the process."""
    return build(**options)
