"""Module → TFLite, channels last as TFLite's kernels want them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from fbsearch.errors import DependencyError
from fbsearch.export.averages import with_convolved_averages
from fbsearch.export.preparation import conversion_errors, example_output, prepared_copy
from fbsearch.export.quiet import quiet
from fbsearch.export.tracing import fast_decomposition, fast_tracing
from fbsearch.files import atomic_path


def export_tflite(module: nn.Module, input_shapes: Sequence[tuple[int, ...]], path: Path) -> None:
    """Write ``module`` as a fp32 TFLite file of batch 1.

    The file's inputs are ``1 x H x W x C``; a feature map comes out as ``1 x H' x W' x C'``, class scores
    as ``1 x classes``. Without this turn of the borders, a TRANSPOSE would stand at each of them and in
    front of every residual addition.

    Args:
        module: a network or block with one output; it stays as it is.
        input_shapes: C, H, W of each input.
        path: the file to write, atomically.

    Raises:
        ExportError: if the module does not run on such an input, or cannot be converted or written.
    """
    prepared = with_convolved_averages(prepared_copy(module))
    examples, output = example_output(prepared, input_shapes)
    turned_inputs = tuple(one.permute(0, 2, 3, 1).contiguous() for one in examples)
    with conversion_errors("TFLite"), quiet():
        litert_torch = _litert_torch()
        from fbsearch.export.tflite_pads import with_pads_of_their_own  # needs what comes with the converter

        turned = litert_torch.to_channel_last_io(
            prepared, args=list(range(len(examples))), outputs=[0] if output.ndim == 4 else []
        )
        with torch.no_grad(), fast_tracing(), fast_decomposition():
            converted = litert_torch.convert(turned.eval(), turned_inputs)
        content = with_pads_of_their_own(converted.model_content())
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)  # the converter's own writer would not report a full disk


def _litert_torch() -> ModuleType:
    """The converter, imported at first use: it brings jax and takes several seconds."""
    try:
        return importlib.import_module("litert_torch")
    except ImportError as error:
        raise DependencyError(
            f"TFLite export needs litert-torch (pip install 'litert-torch==0.10.*'): {error}"
        ) from error
