"""Structure strings, in which Zen-NAS publishes networks: super-blocks one after the other.

``SuperConvK3BNRELU(in,out,stride,sub_layers)`` is a convolution; residual ones have a second width, as
``SuperResK3K3(in,out,stride,bottleneck,sub_layers)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from fbsearch.architecture import MAX_SIZE
from fbsearch.errors import ArchitectureError
from fbsearch.spaces.plain.kinds import KINDS, SuperKind
from fbsearch.spaces.plain.super_block import MAX_SUB_LAYERS, SuperBlock

MAX_LENGTH = 20_000
MAX_BLOCKS = 300

_BLOCK = re.compile(r"\s*(Super\w{1,40})\(([\d,\s]{1,100})\)\s*", re.ASCII)
_START = re.compile(r"\s*Super\w*\s*\(", re.ASCII)
_BY_NAME = {kind.name: kind for kind in KINDS}
_EXAMPLE = "'SuperConvK3BNRELU(3,64,1,1)SuperResK1K5K1(64,168,1,16,3)'"


def is_structure_string(text: str) -> bool:
    """Whether a text can only be meant as a structure string."""
    return _START.match(text) is not None


def write_structure(blocks: Iterable[SuperBlock]) -> str:
    """Super-blocks as a structure string."""
    return "".join(map(str, blocks))


def read_structure(text: str) -> tuple[SuperBlock, ...]:
    """The super-blocks of a structure string.

    >>> write_structure(read_structure("SuperConvK3BNRELU(3, 8, 1, 1) SuperResK3K3(8,16,2,8,1)"))
    'SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)'

    Raises:
        ArchitectureError: naming the first block that is none, or does not fit the one before.
    """
    if len(text) > MAX_LENGTH:
        raise ArchitectureError(f"structure string of {len(text):,} characters: {MAX_LENGTH:,} are allowed")
    blocks: list[SuperBlock] = []
    position = 0
    while position < len(text) or not blocks:
        match = _BLOCK.match(text, position)
        if match is None:
            raise ArchitectureError(
                f"structure string: {_shortened(text[position:])!r} is no super-block; write such as "
                f"{_EXAMPLE}"
            )
        blocks.append(_block(match[1], match[2]))
        position = match.end()
    _check_chain(blocks)
    return tuple(blocks)


def _block(name: str, numbers: str) -> SuperBlock:
    kind = _BY_NAME.get(name)
    if kind is None:
        raise ArchitectureError(f"structure string: no super-block {name!r}; known are {', '.join(_BY_NAME)}")
    values = _values(f"{name}({_shortened(numbers)})", numbers, kind)
    in_channels, out_channels, stride, *bottleneck, sub_layers = values
    return SuperBlock(kind, in_channels, out_channels, stride, sum(bottleneck), sub_layers)


def _values(block: str, numbers: str, kind: SuperKind) -> list[int]:
    fields = ["in", "out", "stride", *(["bottleneck"] if kind.has_bottleneck else []), "sub_layers"]
    parts = [part.strip() for part in numbers.split(",")]
    if len(parts) != len(fields) or not all(part.isdigit() for part in parts):
        raise ArchitectureError(f"structure string: {block} must be {kind.name}({','.join(fields)})")
    if any(len(part) > len(str(MAX_SIZE)) for part in parts):
        raise ArchitectureError(f"structure string: {block}: numbers may go up to {MAX_SIZE:,}")
    return [int(part) for part in parts]


def _check_chain(blocks: list[SuperBlock]) -> None:
    """Refuse what does not fit together, or would take long to write out."""
    if len(blocks) > MAX_BLOCKS or sum(block.sub_layers for block in blocks) > MAX_SUB_LAYERS:
        raise ArchitectureError(
            f"structure string: up to {MAX_BLOCKS} super-blocks of together {MAX_SUB_LAYERS:,} sub_layers "
            "are allowed"
        )
    for before, block in pairwise(blocks):
        if before.out_channels != block.in_channels:
            raise ArchitectureError(f"structure string: {before} gives other channels than {block} takes")


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
