"""Super-blocks as architectures, and back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from fbsearch.architecture import Architecture, Operator
from fbsearch.architecture.operators import Classifier
from fbsearch.errors import ArchitectureError
from fbsearch.spaces.plain.kinds import KINDS, SuperKind
from fbsearch.spaces.plain.structure_string import write_structure
from fbsearch.spaces.plain.super_block import SuperBlock


def build_structure(
    blocks: Sequence[SuperBlock],
    *,
    resolution: int,
    num_classes: int,
    name: str = "plain",
    gated: bool = False,
) -> Architecture:
    """The network of super-blocks, with global pooling and a linear layer behind them.

    A convolution at the beginning is the ``stem``, one at the end belongs to the ``head``; the others are
    ``blocks/0``, ``blocks/1``, …

    Args:
        blocks: at least one, each taking what the one before gives.
        resolution: of the image, in pixels.
        num_classes: to tell apart.
        name: of the architecture.
        gated: whether residual blocks have squeeze and excitation.

    Raises:
        ArchitectureError: if it cannot be built.
    """
    groups: dict[str, list[Operator]] = {}
    for group, block in zip(_group_names(blocks), blocks, strict=True):
        groups[group] = list(block.operators(resolution, gated=gated))
        resolution = groups[group][-1].output.resolution
    classifier = Classifier(blocks[-1].out_channels, num_classes, resolution)
    groups.setdefault("head", []).append(classifier)
    return Architecture.chain(name, groups)


def structure_of(architecture: Architecture) -> tuple[SuperBlock, ...]:
    """The super-blocks that :func:`build_structure` turns into an architecture.

    Raises:
        ArchitectureError: if there are none.
    """
    *nodes, _ = architecture.nodes
    groups = groupby(nodes, key=lambda node: node.name.rpartition("/")[0])
    blocks = [_block(name, tuple(node.operator for node in group)) for name, group in groups]
    if not blocks or not any(_is_built_of(blocks, architecture, gated=gated) for gated in (False, True)):
        raise ArchitectureError(f"architecture {architecture.name!r} is no chain of super-blocks")
    return tuple(blocks)


def find_structure(architecture: Architecture) -> str | None:
    """An architecture's structure string, or None where it is no chain of super-blocks."""
    try:
        return write_structure(structure_of(architecture))
    except ArchitectureError:
        return None


def _is_built_of(blocks: Sequence[SuperBlock], architecture: Architecture, *, gated: bool) -> bool:
    built = build_structure(
        blocks, resolution=architecture.resolution, num_classes=architecture.num_classes, gated=gated
    )
    return built.nodes == architecture.nodes


def _group_names(blocks: Sequence[SuperBlock]) -> list[str]:
    has_stem = not blocks[0].kind.has_bottleneck
    has_head = len(blocks) > 1 and not blocks[-1].kind.has_bottleneck
    middle = [f"blocks/{index}" for index in range(len(blocks) - has_stem - has_head)]
    return ["stem"] * has_stem + middle + ["head"] * has_head


def _block(name: str, operators: tuple[Operator, ...]) -> SuperBlock:
    for kind in KINDS:
        block = _as_kind(kind, operators)
        if block is not None:
            return block
    raise ArchitectureError(f"the nodes of {name!r} are no super-block")


def _as_kind(kind: SuperKind, operators: tuple[Operator, ...]) -> SuperBlock | None:
    """The super-block of a kind that has these operators, or None."""
    first, last = operators[0], operators[-1]
    bottleneck = kind.bottleneck_of(first)
    if getattr(first, "kernel", None) != kind.kernel or (kind.has_bottleneck and not bottleneck):
        return None
    num_layers = max(1, len(operators) // kind.blocks_per_layer)
    block = SuperBlock(kind, first.in_channels, last.out_channels, first.stride, bottleneck, num_layers)
    is_gated = getattr(first, "gated", False)
    return block if block.operators(first.resolution, gated=is_gated) == operators else None
