"""From cells to networks: the fixed nodes, and the places that decisions fill in every cell of a kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from fbsearch.architecture import INPUT, Node, Operator, Shape
from fbsearch.architecture.operators import (
    Add,
    BasicBlock,
    Classifier,
    Concat,
    Conv,
    FactorisedReduce,
    Relu,
    ReluConv,
)
from fbsearch.errors import SpaceError
from fbsearch.spaces.cell_ops import cell_op
from fbsearch.spaces.cell_plans import CellPlan, NetworkPlan
from fbsearch.spaces.cell_stems import num_stem_reductions, stem_operators
from fbsearch.spaces.space import Candidate, Decision


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
        self._outputs: list[tuple[str, str]] = []

    def fixed(self) -> tuple[Node, ...]:
        """The nodes that do not depend on a decision."""
        return self._built[0]

    def decisions(self) -> tuple[Decision, ...]:
        """One for each edge of each kind of cell."""
        return self._built[1]

    @property
    def auxiliary_place(self) -> str | None:
        """The node that an auxiliary head takes in training; None with fewer than two reductions."""
        assert self._built
        reductions = [index for index, (kind, _) in enumerate(self._outputs) if kind != "normal"]
        own = reductions[self._num_first :]
        if len(own) < 2:
            return None
        return self._outputs[own[1] - (0 if self._plan.conventions.auxiliary_after_reduction else 1)][1]

    @cached_property
    def _built(self) -> tuple[tuple[Node, ...], tuple[Decision, ...]]:
        self._build()
        decisions = tuple(
            Decision(name, tuple(Candidate(one, tuple(self._candidates[name, one])) for one in labels))
            for name, labels in self._labels.items()
        )
        return tuple(self._fixed), decisions

    def _build(self) -> None:
        before, last = self._stem()
        for index, (kind, width) in enumerate(self._sequence()):
            made = self._part(index, kind, width, before, last)
            self._outputs.append((kind, made.name))
            is_skipped = kind == "reduction" and self._plan.skips_reduction_input and index >= self._num_first
            before, last = before if is_skipped else last, made
        self._add_head(last)

    def _stem(self) -> tuple[_Built, _Built]:
        """The last output but one, and the last."""
        image = Shape(self._plan.in_channels, self._plan.resolution)
        before = last = _Built(INPUT, image)
        for index, operator in enumerate(stem_operators(self._plan.stem, image)):
            before, last = last, self._add(f"stem/{index}", operator, last.name)
        return (last if before.name == INPUT else before), last

    @property
    def _num_first(self) -> int:
        """Reduction cells of the stem."""
        return num_stem_reductions(self._plan.stem, self._plan.channels)

    def _sequence(self) -> Iterator[tuple[str, int]]:
        """Kinds of cells, or ``block``, with their channels."""
        reduction, channels = "reduction" if "reduction" in self._cells else "block", self._plan.channels
        for halvings in range(self._num_first, 0, -1):
            yield reduction, channels // 2**halvings
        for stage, num_cells in enumerate(self._plan.stage_cells):
            if stage:
                yield reduction, channels * 2**stage
            yield from [("normal", channels * 2**stage)] * num_cells

    def _part(self, index: int, kind: str, width: int, before: _Built, last: _Built) -> _Built:
        place = f"cells/{index}"
        if kind == "block":
            block = BasicBlock(last.shape.channels, width, last.shape.resolution, stride=2)
            return self._add(f"{place}/block", block, last.name)
        cell = self._cells[kind]
        inputs = [before, last] if cell.inputs == 2 else [last]
        resolution = last.shape.resolution
        states = [
            self._fitted(
                f"{place}/in_{number}",
                one,
                Shape(width, resolution),
                always=self._always(number, len(inputs)),
            )
            for number, one in enumerate(inputs)
        ]
        stride = 2 if kind == "reduction" else 1
        for target in cell.targets:
            states.append(self._node(place, kind, cell, target, states, stride))
        return self._output(place, cell, states, -(-resolution // stride))

    def _always(self, number: int, num_inputs: int) -> bool:
        """Whether an input passes a convolution also where it fits as it is."""
        is_last = number == num_inputs - 1
        return num_inputs == 2 and (is_last or self._plan.conventions.always_fits_previous)

    def _fitted(self, name: str, given: _Built, wanted: Shape, *, always: bool) -> _Built:
        """An input at a cell's width and resolution."""
        if given.shape.resolution != wanted.resolution:
            reduce = FactorisedReduce(given.shape.channels, wanted.channels, given.shape.resolution)
            return self._fitted(name, self._add(name, reduce, given.name), wanted, always=False)
        if given.shape == wanted and not always:
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
                node = Node(name, self._operator(op, states[source].shape, step), (states[source].name,))
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

    def _operator(self, op: str, shape: Shape, stride: int) -> Operator:
        make = cell_op(op, skip_halves_whole=self._plan.conventions.skip_halves_whole)
        if make is None:
            raise SpaceError(f"{op!r} is no operation of a cell")
        return make(shape.channels, shape.resolution, stride)

    def _add_head(self, last: _Built) -> None:
        for index, operator in enumerate(self._head(last.shape)):
            last = self._add(f"head/{index}", operator, last.name)

    def _head(self, given: Shape) -> Iterator[Operator]:
        width, activation = self._plan.head
        if self._plan.conventions.ends_in_relu:
            yield Relu(given.channels, given.channels, given.resolution)
        if width:
            yield Conv(given.channels, width, given.resolution, activation=activation)
        yield Classifier(width or given.channels, self._plan.num_classes, given.resolution)

    def _add(self, name: str, operator: Operator, *inputs: str) -> _Built:
        self._fixed.append(Node(name, operator, inputs))
        return _Built(name, operator.output)
