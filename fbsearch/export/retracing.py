"""Decomposing an exported program node by node, where torch would trace the whole of it anew.

litert-torch decomposes every program three times. torch does so by running the program through its tracer,
which takes milliseconds a node, although most come out as they went in. Here only the nodes that change are
traced, equal ones once: a network of cells is a few operations, again and again.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Hashable, Mapping
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch._ops import OperatorBase, OpOverload
from torch.export import ExportedProgram
from torch.fx import Graph, GraphModule, Node, map_arg
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.passes.shape_prop import _extract_tensor_metadata

Table = Mapping[Any, Callable[..., Any]]
Decompose = Callable[..., ExportedProgram]

_ORIGIN = ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node")
"""What a node's parts keep of it: where it stands in the source."""


def by_node(whole: Decompose) -> Decompose:
    """``ExportedProgram.run_decompositions`` that traces nothing but what changes, in place.

    Args:
        whole: torch's own, for programs that are not functional yet or hold composite operations.
    """

    @functools.wraps(whole)
    def run(program: ExportedProgram, decomp_table: Table | None = None, **options: Any) -> ExportedProgram:
        if decomp_table is None or options or not all(map(_is_settled, program.graph.nodes)):
            return whole(program, decomp_table, **options)
        _Decomposition(program, decomp_table).run()
        return program

    return run


def _is_settled(node: Node) -> bool:
    """Whether a node is an input, an output, Python, or an operation without side effects or known parts."""
    operation = node.target
    if node.op != "call_function" or not isinstance(operation, OperatorBase):
        return node.op in ("placeholder", "output", "call_function")
    if not isinstance(operation, OpOverload) or operation._schema.is_mutable:
        return False
    composite = "CompositeImplicitAutograd"
    return not torch._C._dispatch_has_kernel_for_dispatch_key(operation._name, composite)


class _Decomposition:
    """One program's."""

    def __init__(self, program: ExportedProgram, table: Table) -> None:
        self._graph = program.graph
        self._module = program.graph_module
        self._signature = program.graph_signature
        self._table = table
        self._traced: dict[Hashable, GraphModule] = {}

    @torch.no_grad()
    def run(self) -> None:
        """Each node in turn, so that the shapes of its inputs are known."""
        for node in list(self._graph.nodes):
            if node.op != "call_function":
                continue
            if self._is_made_of_parts(node):
                self._replace_by_parts(node)
            else:
                _update_value(node)
        self._graph.eliminate_dead_code()
        self._module.recompile()

    def _is_made_of_parts(self, node: Node) -> bool:
        is_python = not isinstance(node.target, OperatorBase) and node.target is not operator.getitem
        return is_python or node.target in self._table

    def _replace_by_parts(self, node: Node) -> None:
        parts = self._parts(node).graph
        copies = self._copy_before(node, parts)
        result: Any = parts.output_node().args[0]
        if isinstance(result, Node):
            self._replace(node, copies[result])
            return
        for user in list(node.users):  # each takes one of several results
            index: Any = user.args[1]
            self._replace(user, copies[result[index]])
        self._graph.erase_node(node)

    def _copy_before(self, node: Node, parts: Graph) -> dict[Node, Node]:
        """What stands for each of the parts here: the node's inputs, or a copy."""
        copies = dict(zip(parts.find_nodes(op="placeholder"), node.all_input_nodes, strict=True))
        for part in parts.nodes:
            if part.op == "call_function":
                with self._graph.inserting_before(node):
                    copies[part] = self._graph.node_copy(part, copies.__getitem__)
                copies[part].meta = {name: node.meta[name] for name in _ORIGIN if name in node.meta}
                _update_value(copies[part])
        return copies

    def _replace(self, old: Node, new: Node) -> None:
        old.replace_all_uses_with(new)
        self._signature.replace_all_uses(old.name, new.name)
        self._graph.erase_node(old)

    def _parts(self, node: Node) -> GraphModule:
        key = _key(node)
        if key not in self._traced:
            self._traced[key] = self._trace(node)
        return self._traced[key]

    def _trace(self, node: Node) -> GraphModule:
        inputs = node.all_input_nodes

        def call(*tensors: Any) -> Any:
            return _call(node, dict(zip(inputs, tensors, strict=True)))

        functional = torch.func.functionalize(call, remove="mutations")
        return make_fx(functional, decomposition_table=dict(self._table))(*map(_value, inputs))


def _key(node: Node) -> Hashable:
    """What nodes that come to the same parts have in common."""
    target: Any = node.target
    if isinstance(target, FunctionType):  # made anew for each node, around the same operation
        target = (target.__code__, *(cell.cell_contents for cell in target.__closure__ or ()))
    names = {one: f"%{index}" for index, one in enumerate(node.all_input_nodes)}
    written = map_arg((node.args, dict(node.kwargs)), names.__getitem__)
    values = [_value(one) for one in node.all_input_nodes]
    return target, repr(written), *((value.shape, value.stride(), value.dtype) for value in values)


def _call(node: Node, values: Mapping[Node, Any]) -> Any:
    args, kwargs = map_arg((node.args, dict(node.kwargs)), values.__getitem__)
    assert callable(node.target)
    return node.target(*args, **kwargs)


def _value(node: Node) -> Any:
    """A tensor of a node's shape, without content."""
    return node.meta["val"]


def _update_value(node: Node) -> None:
    """Its inputs may have come to lie in another order than before."""
    value = _call(node, {one: _value(one) for one in node.all_input_nodes})
    node.meta.pop("tensor_meta", None)
    node.meta["val"] = value
    if isinstance(value, Tensor):
        node.meta["tensor_meta"] = _extract_tensor_metadata(value)
