"""Module → ONNX, channels first as ONNX defines its convolutions."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from fbsearch.export.preparation import conversion_errors, example_output, prepared_copy
from fbsearch.export.quiet import quiet
from fbsearch.export.tracing import fast_tracing, remembered_translations
from fbsearch.files import atomic_path

OPSET = 18
"""The opset that torch's exporter writes natively; a higher one is a conversion more."""


def export_onnx(module: nn.Module, input_shape: tuple[int, int, int], path: Path) -> None:
    """Write ``module`` as one fp32 ONNX file of batch 1, weights inside.

    The file's input is ``input``, ``1 x C x H x W``; its output is ``output``.

    Args:
        module: a network or block with one input and one output; it stays as it is.
        input_shape: C, H, W of the input.
        path: the file to write, atomically.

    Raises:
        ExportError: if the module does not run on such an input, or cannot be converted or written.
    """
    prepared = prepared_copy(module)
    example, _ = example_output(prepared, input_shape)
    with conversion_errors("ONNX"), quiet():
        with torch.no_grad(), fast_tracing(), remembered_translations():
            program = torch.onnx.export(
                prepared,
                (example,),
                input_names=["input"],
                output_names=["output"],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        assert program is not None
        with atomic_path(path) as temporary:
            program.save(str(temporary), external_data=False)
