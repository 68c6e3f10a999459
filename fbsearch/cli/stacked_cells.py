"""The options of ``describe`` that are about cells: which network of a genotype, and its drawing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fbsearch.cli.options import written
from fbsearch.errors import ArchitectureError

if TYPE_CHECKING:
    from fbsearch.architecture import Architecture

StackName = Annotated[
    str | None,
    typer.Option("--stack", help="Of a genotype: a network of its own by name, or N @ F such as '6 @ 768'."),
]
NumCells = Annotated[int | None, typer.Option("--cells", min=3, help="Of a genotype: how many cells.")]
Channels = Annotated[
    int | None, typer.Option("--channels", min=1, help="Of a genotype: of the first stage's cells.")
]
Stem = Annotated[
    Literal["cifar", "imagenet"] | None,
    typer.Option("--stem", help="Of a genotype: by default cifar up to 64 pixels."),
]
RemoveDead = Annotated[
    bool, typer.Option("--remove-dead", help="Of a genotype: without edges and nodes that nothing passes.")
]
Drawn = Annotated[Path | None, written("--draw", help="Draw an architecture's cells here, as SVG.")]


@dataclass(frozen=True)
class CellOptions:
    """What was asked for of a genotype's network; None leaves a part as the genotype says."""

    stack: str | None = None
    cells: int | None = None
    channels: int | None = None
    resolution: int | None = None
    num_classes: int | None = None
    stem: Literal["cifar", "imagenet"] | None = None
    remove_dead: bool = False

    def refuse_for(self, subject: str) -> None:
        """Make sure that what is no genotype was not asked for more than its images.

        Raises:
            ArchitectureError: naming what was asked for.
        """
        asked = replace(self, resolution=None, num_classes=None)
        given = [f"--{name.replace('_', '-')}" for name, value in vars(asked).items() if value]
        if given:
            raise ArchitectureError(
                f"{subject!r} is no genotype, of which {', '.join(given)} would tell a network: leave it away"
            )


def stacked_cells(source: str, options: CellOptions, *, gated: bool) -> tuple[Architecture, dict[str, Any]]:
    """The network of a genotype, and the figures of its stack for scripts.

    Args:
        source: name or JSON file.
        options: which network.
        gated: whether gates were asked for, which cells have not.

    Raises:
        ArchitectureError: if there is no such genotype or network.
    """
    from fbsearch.spaces import (
        StackChanges,
        auxiliary_place,
        choose_stack,
        load_genotype,
        stack_cells,
        without_dead_ends,
    )

    if gated:
        raise ArchitectureError(f"{source!r}: --squeeze-excite is for structure strings; leave it away")
    genotype = load_genotype(source)
    changes = StackChanges(
        options.cells, options.channels, options.resolution, options.num_classes, options.stem
    )
    stack = choose_stack(genotype, name=options.stack, changes=changes)
    if options.remove_dead:
        genotype = without_dead_ends(genotype)
    figures = {
        "genotype": genotype.name,
        "conventions": genotype.conventions,
        "cells": stack.cells,
        "channels": stack.channels,
        "stem": stack.stem_size,
        "auxiliary_place": auxiliary_place(genotype, stack),
    }
    return stack_cells(genotype, stack), figures


def write_drawing(architecture: Architecture, path: Path) -> None:
    """Draw an architecture's cells into a file."""
    from fbsearch.files import write_text
    from fbsearch.reports.drawings.cell_sheet import draw_cells

    write_text(path, draw_cells(architecture))
