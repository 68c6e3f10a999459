"""The architecture: a graph of named nodes, each an operator on the outputs of nodes before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fbsearch.architecture import files
from fbsearch.architecture.node import INPUT, Node, chain_nodes, check_network
from fbsearch.architecture.numbering import first_alike
from fbsearch.architecture.operators import Operator
from fbsearch.architecture.shape import Shape
from fbsearch.errors import ArchitectureError, UnreadableFileError
from fbsearch.files import read_json, write_json


@dataclass(frozen=True)
class Architecture:
    """A network from the image to the class scores.

    >>> from fbsearch.architecture.operators import Classifier, Conv
    >>> groups = {"stem": [Conv(1, 8, 16, kernel=3)], "head": [Classifier(8, 10, 16)]}
    >>> Architecture.chain("tiny", groups).num_classes
    10

    Args:
        name: how people call it.
        nodes: in the order in which they run; the last gives the class scores.

    Raises:
        ArchitectureError: if a node's inputs do not fit its operator.
    """

    name: str
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        try:
            check_network(self.nodes)
        except ArchitectureError as error:
            raise ArchitectureError(f"architecture {self.name!r}: {error}") from None

    @staticmethod
    def chain(name: str, groups: Mapping[str, Iterable[Operator]]) -> Architecture:
        """Operators one after the other, in named groups: nodes ``GROUP/0``, ``GROUP/1``, …"""
        return Architecture(name, chain_nodes(groups))

    def operators(self) -> Iterator[Operator]:
        """All operators, in the order in which they run."""
        return (node.operator for node in self.nodes)

    def group(self, name: str) -> tuple[Operator, ...]:
        """The operators of the nodes whose names begin with ``name/``, in order."""
        return tuple(node.operator for node in self.nodes if node.name.startswith(f"{name}/"))

    @cached_property
    def input(self) -> Shape:
        """Shape of the image."""
        return check_network(self.nodes)

    @property
    def resolution(self) -> int:
        """Height and width of the input image in pixels."""
        return self.input.resolution

    @property
    def in_channels(self) -> int:
        """Channels of the input image."""
        return self.input.channels

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.nodes[-1].operator.output.channels

    @cached_property
    def live_nodes(self) -> tuple[Node, ...]:
        """The nodes on which the class scores depend; a cell may leave an input of its own unused."""
        wanted = {self.nodes[-1].name}
        live: list[Node] = []
        for node in reversed(self.nodes):
            if node.name in wanted:
                wanted.update(node.inputs)
                live.append(node)
        return tuple(reversed(live))

    @cached_property
    def computing_nodes(self) -> tuple[Node, ...]:
        """The nodes between the image and the class scores, in order: what an exported model computes.

        All others give constants, or something that is taken by nobody but a zero. There are none at all
        where the scores do not depend on the image.
        """
        seeing = {INPUT}
        for node in self.nodes:
            if not node.operator.is_constant and not seeing.isdisjoint(node.inputs):
                seeing.add(node.name)
        wanted = {self.nodes[-1].name}
        computing: list[Node] = []
        for node in reversed(self.nodes):
            if node.name in wanted & seeing:
                wanted.update(node.inputs)
                computing.append(node)
        return tuple(reversed(computing))

    @property
    def idle_nodes(self) -> tuple[Node, ...]:
        """All others."""
        computing = {node.name for node in self.computing_nodes}
        return tuple(node for node in self.nodes if node.name not in computing)

    @cached_property
    def repeated_names(self) -> frozenset[str]:
        """Names of computing nodes that give what a node before them gives, and so are not computed again:
        two pools of one size on the same input, also where it comes by way of identities.
        """
        alike = first_alike(self.nodes, {node.name for node in self.computing_nodes})
        return frozenset(
            node.name
            for node in self.computing_nodes
            if alike[node.name] not in (node.name, *(alike[name] for name in node.inputs))
        )

    def computed_operators(self) -> Iterator[Operator]:
        """What an exported model computes: the operators of computing nodes that repeat no other."""
        repeated = self.repeated_names
        return (node.operator for node in self.computing_nodes if node.name not in repeated)

    @property
    def sees_image(self) -> bool:
        """Whether the class scores depend on the image; in a cell without a connection they do not."""
        return bool(self.computing_nodes)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: operators as their keys."""
        return files.to_dict(self.name, self.nodes)

    @staticmethod
    def from_dict(data: Any) -> Architecture:
        """The architecture whose :meth:`to_dict` is ``data``.

        Raises:
            ArchitectureError: if ``data`` is not such a form, or of a newer version.
        """
        return Architecture(*files.parse(data))

    def save(self, path: Path) -> None:
        """Write the JSON form to ``path``, atomically."""
        write_json(path, self.to_dict())

    @staticmethod
    def load(path: Path) -> Architecture:
        """Read an architecture from a JSON file.

        Raises:
            ArchitectureError: if the file cannot be read or holds no architecture.
        """
        try:
            return Architecture.from_dict(read_json(path))
        except ArchitectureError as error:
            raise ArchitectureError(f"{path}: {error}") from None
        except UnreadableFileError as error:
            raise ArchitectureError(f"{path}: cannot read an architecture: {error}") from None
