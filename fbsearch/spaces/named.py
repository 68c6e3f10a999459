"""Published architectures by name.

FBNet-A, -B and -C (Wu et al., CVPR 2019, Figure 4 and release), and the networks of published genotypes.
"""

from __future__ import annotations

from pathlib import Path

from fbsearch.architecture import Architecture
from fbsearch.errors import ArchitectureError
from fbsearch.spaces.choices import short_text
from fbsearch.spaces.definition import load_space
from fbsearch.spaces.genotypes import (
    StackChanges,
    choose_stack,
    genotype_names,
    is_genotype,
    load_genotype,
    stack_cells,
)
from fbsearch.spaces.plain import build_structure, is_structure_string, read_structure
from fbsearch.spaces.space import require_factored

_FBNET_LAYERS: dict[str, tuple[int, str]] = {
    "fbnet_a": (1504, """
        skip
        k3_e3 k3_e1 skip skip
        k5_e6 k3_e3 k5_e1 k3_e3
        k5_e6 k5_e3 k5_e1_g2 k5_e6
        k3_e6 k5_e1_g2 k5_e3 k3_e1_g2
        k5_e6 k5_e6 k5_e3 k5_e6
        k5_e6"""),
    "fbnet_b": (1984, """
        k3_e1
        k3_e6 k5_e1 k3_e1 k3_e1
        k5_e6 k5_e3 k3_e6 k5_e6
        k5_e6 k5_e6 skip k5_e3
        k5_e6 k3_e1 k5_e1 k5_e3
        k5_e6 k5_e1 k5_e6 k5_e6
        k3_e6"""),
    "fbnet_c": (1984, """
        k3_e1
        k3_e6 skip k3_e1 k3_e1
        k5_e6 k5_e3 k5_e6 k3_e6
        k5_e6 k5_e3 k5_e6 k5_e6
        k5_e6 k5_e6 k5_e6 k5_e3
        k5_e6 k5_e6 k5_e6 k5_e6
        k3_e6"""),
}  # fmt: skip


def named_architectures() -> tuple[str, ...]:
    """Names that :func:`named_architecture` knows."""
    return (*_FBNET_LAYERS, *genotype_names())


def named_architecture(
    name: str,
    *,
    resolution: int | None = None,
    num_classes: int | None = None,
    width_multiplier: float | None = None,
) -> Architecture:
    """A published architecture; other input sizes, class counts and widths on request.

    >>> named_architecture("fbnet_a").group("layers")[0].is_identity
    True

    Raises:
        ArchitectureError: if no architecture has this name.
    """
    if name in genotype_names():
        if width_multiplier is not None:
            raise ArchitectureError(
                f"{name!r} is made of cells, whose channels stand in its stack: no multiplier"
            )
        return stacked(name, changes=StackChanges(resolution=resolution, num_classes=num_classes))
    if name not in _FBNET_LAYERS:
        raise ArchitectureError(f"no architecture {name!r}; known are {', '.join(named_architectures())}")
    head_channels, layers = _FBNET_LAYERS[name]
    space = load_space(
        "fbnet",
        head_channels=head_channels,
        resolution=resolution,
        num_classes=num_classes,
        width_multiplier=width_multiplier,
    )
    decisions = require_factored(space, "a published architecture").decisions
    code = [one.names.index(layer) for one, layer in zip(decisions, layers.split(), strict=True)]
    return space.decode(code, name=name)


def stacked(genotype: str, *, changes: StackChanges | None = None) -> Architecture:
    """The first of a genotype's own networks, with changes.

    Args:
        genotype: name or JSON file.
        changes: to the network around the cells.

    Raises:
        ArchitectureError: if there is no such genotype, or it names no network.
    """
    cells = load_genotype(genotype)
    return stack_cells(cells, choose_stack(cells, changes=changes))


def load_architecture(
    source: str,
    *,
    resolution: int | None = None,
    num_classes: int | None = None,
    gated: bool = False,
) -> Architecture:
    """A published architecture by name, one from a JSON file, or that of a structure string.

    Args:
        source: a name, a path, or such as ``SuperConvK3BNRELU(3,64,1,1)…``.
        resolution: of the image, in pixels; a structure string does not say it, a file does.
        num_classes: likewise.
        gated: whether the blocks of a structure string have squeeze and excitation.

    Raises:
        ArchitectureError: if ``source`` is none of these, or lacks what it cannot say or says something else.
    """
    if is_structure_string(source):
        return _load_structure(source, resolution, num_classes, gated=gated)
    if gated:
        raise ArchitectureError(
            f"{source!r} is no structure string: whether it has squeeze and excitation stands in it already"
        )
    if source in named_architectures():
        return named_architecture(source, resolution=resolution, num_classes=num_classes)
    if is_genotype(source):
        return stacked(source, changes=StackChanges(resolution=resolution, num_classes=num_classes))
    if not Path(source).exists():
        raise ArchitectureError(
            f"{source!r} is neither a file nor a known architecture ({', '.join(named_architectures())})"
        )
    architecture = Architecture.load(Path(source))
    for word, wanted, is_so in (
        ("resolution", resolution, architecture.resolution),
        ("num_classes", num_classes, architecture.num_classes),
    ):
        if wanted not in (None, is_so):
            raise ArchitectureError(f"{source}: its {word} is {is_so}, not {wanted}; leave that away")
    return architecture


def _load_structure(
    source: str, resolution: int | None, num_classes: int | None, *, gated: bool
) -> Architecture:
    blocks = read_structure(source)
    if resolution is None or num_classes is None:
        raise ArchitectureError(
            "a structure string says neither its image's resolution nor its number of classes: give both "
            "(fbsearch describe 'Super…' --resolution 32 --num-classes 10; with --out FILE it becomes a file "
            "that every command takes)"
        )
    return build_structure(
        blocks,
        resolution=resolution,
        num_classes=num_classes,
        name=f"plain-{short_text([*source.encode(), resolution, num_classes, gated])}",
        gated=gated,
    )
