"""Module → ONNX, channels first as ONNX defines its convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from fbsearch.export.preparation import conversion_errors, example_output, prepared_copy
from fbsearch.export.quiet import quiet
from fbsearch.export.tracing import fast_tracing, remembered_translations
from fbsearch.files import atomic_path

OPSET = 18
"""The opset that torch's exporter writes natively; a higher one is a conversion more."""


def export_onnx(module: nn.Module, input_shapes: Sequence[tuple[int, ...]], path: Path) -> None:
    """Write ``module`` as one fp32 ONNX file of batch 1, weights inside.

    The file's input is ``input``, ``1 x C x H x W``, or ``input_0``, ``input_1``, … of several; its output is
    ``output``.

    Args:
        module: a network or block with one output; it stays as it is.
        input_shapes: C, H, W of each input.
        path: the file to write, atomically.

    Raises:
        ExportError: if the module does not run on such an input, or cannot be converted or written.
    """
    prepared = prepared_copy(module)
    examples, _ = example_output(prepared, input_shapes)
    names = ["input"] if len(examples) == 1 else [f"input_{index}" for index in range(len(examples))]
    with conversion_errors("ONNX"), quiet():
        with torch.no_grad(), fast_tracing(), remembered_translations():
            program = torch.onnx.export(
                prepared,
                examples,
                input_names=names,
                output_names=["output"],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        assert program is not None
        with atomic_path(path) as temporary:
            program.save(str(temporary), external_data=False)
