"""From cells to networks: the fixed nodes, and the places that decisions fill in every cell of a kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from fbsearch.architecture import INPUT, Activation, Node, Operator, Shape
from fbsearch.architecture.operators import (
    Add,
    BasicBlock,
    Classifier,
    Concat,
    Conv,
    FactorisedReduce,
    ReluConv,
)
from fbsearch.errors import SpaceError
from fbsearch.spaces.cell_ops import cell_op
from fbsearch.spaces.space import Candidate, Decision


@dataclass(frozen=True)
class EdgePlan:
    """One edge of a cell.

    Args:
        name: such as ``edge_0_2``.
        target: the state that it adds to.
        choices: its candidates as (state that it begins at, operation).
    """

    name: str
    target: int
    choices: tuple[tuple[int, str], ...]

    @property
    def has_choice_of_source(self) -> bool:
        """Whether its candidates begin at several states; their names then say at which."""
        return len({source for source, _ in self.choices}) > 1 or self.name.startswith(("left", "right"))

    def label(self, source: int, op: str) -> str:
        """A candidate's name."""
        return f"{source}:{op}" if self.has_choice_of_source else op


@dataclass(frozen=True)
class CellPlan:
    """A cell; its states are its inputs, then its nodes.

    Args:
        inputs: how many.
        edges: all of them.
        output: the states that it gives, one after the other.
    """

    inputs: int
    edges: tuple[EdgePlan, ...]
    output: tuple[int, ...]

    @property
    def targets(self) -> tuple[int, ...]:
        """The nodes."""
        return tuple(dict.fromkeys(edge.target for edge in sorted(self.edges, key=lambda edge: edge.target)))


@dataclass(frozen=True)
class NetworkPlan:
    """What stands around the cells.

    Args:
        resolution: of the image, in pixels.
        in_channels: of the image.
        num_classes: of the classifier.
        stem: channels, kernel, stride and activation of the convolution.
        head: channels, 0 for none, and activation of the convolution.
        channels: of the first stage's cells.
        stages: how many.
        cells_per_stage: normal cells.
    """

    resolution: int
    in_channels: int
    num_classes: int
    stem: tuple[int, int, int, Activation]
    head: tuple[int, Activation]
    channels: int
    stages: int
    cells_per_stage: int


@dataclass(frozen=True)
class _Built:
    """A cell's output, or the stem's."""

    name: str
    shape: Shape


class CellNetwork:
    """A network of cells, built place by place.

    Args:
        plan: what stands around the cells.
        cells: ``normal`` and, unless a block halves the resolution, ``reduction``.
    """

    def __init__(self, plan: NetworkPlan, cells: Mapping[str, CellPlan]) -> None:
        self._plan = plan
        self._cells = cells
        self._fixed: list[Node] = []
        self._candidates: dict[tuple[str, str], list[Node]] = {}
        self._labels: dict[str, dict[str, None]] = {}

    def fixed(self) -> tuple[Node, ...]:
        """The nodes that do not depend on a decision."""
        return self._built[0]

    def decisions(self) -> tuple[Decision, ...]:
        """One for each edge of each kind of cell."""
        return self._built[1]

    @cached_property
    def _built(self) -> tuple[tuple[Node, ...], tuple[Decision, ...]]:
        self._build()
        decisions = tuple(
            Decision(name, tuple(Candidate(one, tuple(self._candidates[name, one])) for one in labels))
            for name, labels in self._labels.items()
        )
        return tuple(self._fixed), decisions

    def _build(self) -> None:
        plan = self._plan
        channels, kernel, stride, activation = plan.stem
        stem = Conv(
            plan.in_channels, channels, plan.resolution, kernel=kernel, stride=stride, activation=activation
        )
        last = self._add("stem/0", stem, INPUT)
        before = last
        for index, (kind, width) in enumerate(self._sequence()):
            before, last = last, self._part(index, kind, width, before, last)
        self._add_head(last)

    def _sequence(self) -> Iterator[tuple[str, int]]:
        """Kinds of cells, or ``block``, with their channels."""
        for stage in range(self._plan.stages):
            width = self._plan.channels * 2**stage
            if stage:
                yield ("reduction" if "reduction" in self._cells else "block"), width
            yield from [("normal", width)] * self._plan.cells_per_stage

    def _part(self, index: int, kind: str, width: int, before: _Built, last: _Built) -> _Built:
        place = f"cells/{index}"
        if kind == "block":
            block = BasicBlock(last.shape.channels, width, last.shape.resolution, stride=2)
            return self._add(f"{place}/block", block, last.name)
        cell = self._cells[kind]
        inputs = [before, last] if cell.inputs == 2 else [last]
        resolution = last.shape.resolution
        states = [
            self._fitted(f"{place}/in_{number}", one, Shape(width, resolution), cell.inputs)
            for number, one in enumerate(inputs)
        ]
        stride = 2 if kind == "reduction" else 1
        for target in cell.targets:
            states.append(self._node(place, kind, cell, target, states, stride))
        return self._output(place, cell, states, -(-resolution // stride))

    def _fitted(self, name: str, given: _Built, wanted: Shape, num_inputs: int) -> _Built:
        """An input at a cell's width and resolution."""
        if given.shape.resolution != wanted.resolution:
            reduce = FactorisedReduce(given.shape.channels, wanted.channels, given.shape.resolution)
            return self._fitted(name, self._add(name, reduce, given.name), wanted, 1)
        if given.shape == wanted and num_inputs == 1:
            return given
        return self._add(
            name, ReluConv(given.shape.channels, wanted.channels, wanted.resolution, kernel=1), given.name
        )

    def _node(
        self, place: str, kind: str, cell: CellPlan, target: int, states: list[_Built], stride: int
    ) -> _Built:
        edges = [edge for edge in cell.edges if edge.target == target]
        names = []
        for edge in edges:
            name = f"{place}/{edge.name}"
            for source, op in edge.choices:
                step = stride if source < cell.inputs else 1
                node = Node(name, _operator(op, states[source].shape, step), (states[source].name,))
                label = edge.label(source, op)
                decision = f"{kind}/{edge.name}"
                self._labels.setdefault(decision, {}).setdefault(label)
                self._candidates.setdefault((decision, label), []).append(node)
            names.append(name)
        shape = node.operator.output
        if len(names) == 1:
            return _Built(names[0], shape)
        add = Add(shape.channels, shape.channels, shape.resolution, num_inputs=len(names))
        return self._add(f"{place}/node_{target}", add, *names)

    def _output(self, place: str, cell: CellPlan, states: list[_Built], resolution: int) -> _Built:
        joined = []
        for state in cell.output:
            one = states[state]
            if one.shape.resolution != resolution:  # an input of a reduction cell that no node takes
                reduce = FactorisedReduce(one.shape.channels, one.shape.channels, one.shape.resolution)
                one = self._add(f"{place}/reduced_{state}", reduce, one.name)
            joined.append(one)
        if len(joined) == 1:
            return joined[0]
        channels = joined[0].shape.channels
        concat = Concat(channels, channels * len(joined), resolution, num_inputs=len(joined))
        return self._add(f"{place}/output", concat, *(one.name for one in joined))

    def _add_head(self, last: _Built) -> None:
        width, activation = self._plan.head
        index = 0
        if width:
            conv = Conv(last.shape.channels, width, last.shape.resolution, activation=activation)
            last, index = self._add("head/0", conv, last.name), 1
        classifier = Classifier(last.shape.channels, self._plan.num_classes, last.shape.resolution)
        self._add(f"head/{index}", classifier, last.name)

    def _add(self, name: str, operator: Operator, *inputs: str) -> _Built:
        self._fixed.append(Node(name, operator, inputs))
        return _Built(name, operator.output)


def _operator(op: str, shape: Shape, stride: int) -> Operator:
    make = cell_op(op)
    if make is None:
        raise SpaceError(f"{op!r} is no operation of a cell")
    return make(shape.channels, shape.resolution, stride)
