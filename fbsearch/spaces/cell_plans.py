"""What a network of cells is built from: cells, and what stands around them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fbsearch.architecture import Activation
from fbsearch.spaces.cell_conventions import Conventions, StemLayout


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

    def narrowed(self) -> CellPlan:
        """The same with the first candidate of each edge alone."""
        edges = tuple(replace(edge, choices=edge.choices[:1]) for edge in self.edges)
        return replace(self, edges=edges)

    @property
    def targets(self) -> tuple[int, ...]:
        """The nodes."""
        return tuple(dict.fromkeys(edge.target for edge in sorted(self.edges, key=lambda edge: edge.target)))


@dataclass(frozen=True)
class StemPlan:
    """What stands before the cells.

    Args:
        layout: a ``single`` convolution; three ``convolutions`` of stride 2, of half the channels and twice
            of all; or one of stride 2 without padding before two reduction ``cells``.
        channels: of the last convolution.
        kernel, stride, activation: of a ``single`` one.
    """

    layout: StemLayout
    channels: int
    kernel: int = 3
    stride: int = 1
    activation: Activation = "identity"


@dataclass(frozen=True)
class NetworkPlan:
    """What stands around the cells.

    Args:
        resolution: of the image, in pixels.
        in_channels: of the image.
        num_classes: of the classifier.
        stem: before the cells.
        head: channels, 0 for none, and activation of the convolution behind the cells.
        channels: of the first stage's cells.
        stage_cells: normal cells of each stage.
        conventions: of whoever published the cells.
        skips_reduction_input: whether the cell after a reduction takes, as the last but one, what that
            reduction took as such (NASNet's large network).
    """

    resolution: int
    in_channels: int
    num_classes: int
    stem: StemPlan
    head: tuple[int, Activation]
    channels: int
    stage_cells: tuple[int, ...]
    conventions: Conventions
    skips_reduction_input: bool = False
