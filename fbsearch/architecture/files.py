"""Architectures as JSON: version 2 lists nodes; version 1, which knew chains alone, is still read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fbsearch.architecture.node import Node, chain_nodes
from fbsearch.architecture.operators import Operator
from fbsearch.errors import ArchitectureError

FORMAT = "fbsearch.architecture"
VERSION = 2

_CHAIN = ("stem", "layers", "head")
"""The lists of version 1, in the order in which they run."""


def to_dict(name: str, nodes: Sequence[Node]) -> dict[str, Any]:
    """The JSON form: operators as their keys."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "nodes": [
            {"name": node.name, "operator": node.operator.key, "inputs": list(node.inputs)} for node in nodes
        ],
    }


def parse(data: Any) -> tuple[str, tuple[Node, ...]]:
    """The name and the nodes of a JSON form.

    Raises:
        ArchitectureError: if ``data`` is not such a form, or of a newer version.
    """
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise ArchitectureError(f"not an architecture: 'format' must be {FORMAT!r}")
    version = data.get("version")
    if version not in (1, VERSION) or isinstance(version, bool):
        raise ArchitectureError(
            f"architecture of version {version!r}; this fbsearch reads versions 1 and {VERSION}"
        )
    name = data.get("name")
    if not isinstance(name, str):
        raise ArchitectureError("architecture: 'name' must be a text")
    if version == 1:
        return name, chain_nodes({part: _operators(data, part) for part in _CHAIN})
    return name, _nodes(data.get("nodes"))


def _operators(data: Mapping[str, Any], part: str) -> tuple[Operator, ...]:
    keys = data.get(part)
    if not isinstance(keys, list):
        raise ArchitectureError(f"architecture: {part!r} must be a list of operator keys")
    return tuple(Operator.from_key(key) for key in keys)


def _nodes(rows: Any) -> tuple[Node, ...]:
    if not isinstance(rows, list):
        raise ArchitectureError("architecture: 'nodes' must be a list")
    return tuple(_node(row, index) for index, row in enumerate(rows))


def _node(row: Any, index: int) -> Node:
    if not isinstance(row, Mapping) or set(row) != {"name", "operator", "inputs"}:
        raise ArchitectureError(
            f"architecture: nodes[{index}] must have 'name', 'operator' and 'inputs' alone"
        )
    name, inputs = row["name"], row["inputs"]
    if not isinstance(name, str):
        raise ArchitectureError(f"architecture: nodes[{index}]: 'name' must be a text")
    if not isinstance(inputs, list) or not all(isinstance(one, str) for one in inputs):
        raise ArchitectureError(f"architecture: nodes[{index}]: 'inputs' must be a list of names")
    return Node(name, Operator.from_key(row["operator"]), tuple(inputs))
