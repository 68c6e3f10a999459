"""Pads of TFLite files that several convolutions take: each gets its own.

The converter merges equal operators. For a PAD that is a loss: XNNPACK folds one that a single convolution
takes into that convolution, where it costs nothing, but runs one that several take. Networks of cells whose
pads are apart are up to 5 % faster, and no longer slower than their operators say.
"""

from __future__ import annotations

import copy
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16
_TAKERS = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D)


def with_pads_of_their_own(content: bytes) -> bytes:
    """A file in which no two convolutions take the same pad; the same bytes where none do."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    changes = [_separate(model, graph) for graph in model.subgraphs]
    if not any(changes):
        return content
    builder = _AligningBuilder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


class _AligningBuilder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers has no types
    """Weights begin at multiples of 16 bytes, as the format asks for; the schema's Python code forgets it."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:
        return super().StartVector(elemSize, numElems, _ALIGNMENT if elemSize == 1 else alignment)


def _separate(model: Any, graph: Any) -> bool:
    """Whether a pad had to be copied."""
    takers: dict[int, list[Any]] = {}
    for operator in graph.operators:
        if _code(model, operator) in _TAKERS:
            takers.setdefault(operator.inputs[0], []).append(operator)
    operators: list[Any] = []
    for operator in graph.operators:
        operators.append(operator)
        if _code(model, operator) == schema.BuiltinOperator.PAD:
            others = takers.get(operator.outputs[0], [])[1:]
            operators += [_copy(graph, operator, taker) for taker in others]
    is_changed = len(operators) > len(graph.operators)
    graph.operators = operators
    return is_changed


def _copy(graph: Any, pad: Any, taker: Any) -> Any:
    """Another pad of the same tensor, for ``taker`` alone."""
    tensor = copy.copy(graph.tensors[pad.outputs[0]])
    tensor.name = tensor.name + f"_{len(graph.tensors)}".encode()
    graph.tensors.append(tensor)
    mine = copy.copy(pad)
    mine.outputs = [len(graph.tensors) - 1]
    taker.inputs = [mine.outputs[0], *taker.inputs[1:]]
    return mine


def _code(model: Any, operator: Any) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
