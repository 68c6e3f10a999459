"""All cells of a network on one sheet, as a file of its own."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from fbsearch.errors import ArchitectureError
from fbsearch.reports.drawings.cell_sheet import draw_cells
from fbsearch.spaces import (
    StackChanges,
    choose_stack,
    genotype_names,
    load_genotype,
    named_architecture,
    stack_cells,
)

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", genotype_names())
def test_both_cells_of_every_genotype_are_drawn_apart(name: str) -> None:
    genotype = load_genotype(name)
    small = choose_stack(genotype, changes=StackChanges(cells=9, channels=4, resolution=16))
    root = ElementTree.fromstring(draw_cells(stack_cells(genotype, small)))
    headings = [one.text for one in root.findall(f"{SVG}text")]
    if genotype.conventions == "darts":  # nine cells, two reductions among them
        assert headings == ["Normal cell (cells 1–3, 5, 6, 8, 9)", "Reduction cell (cells 4, 7)"]
    else:
        assert headings == ["Normal cell (cells 1–3, 5–7, 9–11)", "Reduction cell (cells 4, 8)"]
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    bottom = 0.0
    for group in root.findall(f"{SVG}g"):
        top = float(group.attrib["transform"].removeprefix("translate(0 ").removesuffix(")"))
        inner = group.find(f"{SVG}svg")
        assert inner is not None and top > bottom and float(inner.attrib["width"]) <= width
        bottom = top + float(inner.attrib["height"])
    assert bottom <= height
    boxes = [box for box in root.iter(f"{SVG}rect") if "state" not in box.attrib["class"]]
    edges = [
        op for cell in genotype.cells().values() for node in cell.nodes for op, _ in node if op != "none"
    ]
    assert len(boxes) == len(edges)


def test_a_chain_has_no_cells_to_draw() -> None:
    with pytest.raises(ArchitectureError, match="'fbnet_a' has no cells"):
        draw_cells(named_architecture("fbnet_a"))
