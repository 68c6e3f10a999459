"""The cells of an architecture as graphs, laid out and drawn."""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest

from fbsearch.errors import MissingOperatorError
from fbsearch.reports.drawings.cell_graph import describe_cell, draw_cell, find_columns
from fbsearch.reports.drawings.cells import CellGraph, distinct_cells
from fbsearch.reports.drawings.layout import layered
from fbsearch.spaces import named_architecture
from tests.spaces.cells import DARTS_OPS, SUMS_OPS, cell_space, sums_space

SUMS = sums_space()
SPACES = {
    "sums": SUMS,
    "concats": cell_space(nodes=3, ops=DARTS_OPS),
    "chosen": cell_space(nodes=3, ops=["skip", "conv_3x3"], rule="chosen"),
    "last of chosen": cell_space(nodes=3, ops=["skip", "conv_3x3"], rule="chosen", output="last"),
    "loose": cell_space(nodes=3, ops=["skip", "conv_3x3"], rule="chosen", output="loose"),
}


def sums_cell(*ops: str) -> CellGraph:
    """The only cell of a network, by the ops of edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3."""
    [cell] = distinct_cells(SUMS.decode([SUMS_OPS.index(op) for op in ops]), None)
    return cell


def random_cells(name: str) -> list[CellGraph]:
    space, rng = SPACES[name], np.random.default_rng(0)
    return [cell for _ in range(30) for cell in distinct_cells(space.decode(space.sample(rng)), None)]


def test_equal_cells_are_drawn_once() -> None:
    space = SPACES["concats"]
    cells = distinct_cells(space.decode(space.sample(np.random.default_rng(1))), None)
    assert [(cell.title, cell.places) for cell in cells] == [
        ("Normal cell", (1, 3, 5)),
        ("Reduction cell", (2, 4)),
    ]
    assert [part.name for part in cells[0].parts if part.kind == "input"] == ["in_0", "in_1"]


def test_states_are_numbered_as_a_space_numbers_them() -> None:
    cell = sums_cell(*["conv_1x1"] * 6)
    assert [part.label for part in cell.parts if part.kind != "operator"] == ["0", "1", "2", "3"]
    assert cell.places == (1, 3, 5), "a block between stages is no cell"
    ways = [f"conv 1×1 from {start} to {end}" for end in (1, 2, 3) for start in range(end)]
    assert sorted(describe_cell(cell).removeprefix("Normal cell: ").split(", ")) == sorted(ways)


def test_what_gives_constants_is_not_drawn() -> None:
    cell = sums_cell("none", "conv_3x3", "conv_1x1", "skip", "conv_3x3", "skip")
    drawn = {part.name: part for part in cell.parts}
    assert set(drawn) == {"in_0", "edge_0_2", "edge_0_3", "edge_2_3", "node_2", "node_3"}
    assert not any(part.is_idle for part in cell.parts)


def test_what_nobody_takes_is_drawn_as_idle() -> None:
    cell = sums_cell("skip", "conv_3x3", "conv_1x1", "skip", "conv_3x3", "none")
    assert {part.name for part in cell.parts if part.is_idle} == {"edge_0_2", "edge_1_2", "node_2"}
    assert 'class="idle"' in draw_cell(cell)


def test_a_chain_has_no_cells() -> None:
    assert distinct_cells(named_architecture("fbnet_a"), None) == ()


def test_titles_name_operators_and_latencies_at_every_place() -> None:
    architecture = SUMS.decode([SUMS_OPS.index("conv_3x3")] * 6)
    [cell] = distinct_cells(architecture, lambda operator: 10.0 * operator.in_channels)
    title = next(part.title for part in cell.parts if part.name == "edge_0_1")
    assert title.splitlines() == [
        "cell 1: reluconv_k3_s1_c4-4_r16, 0.040\N{NO-BREAK SPACE}ms",
        "cell 3: reluconv_k3_s1_c8-8_r8, 0.080\N{NO-BREAK SPACE}ms",
        "cell 5: reluconv_k3_s1_c16-16_r4, 0.160\N{NO-BREAK SPACE}ms",
    ]

    def absent(operator: object) -> float:
        raise MissingOperatorError("absent")

    [cell] = distinct_cells(architecture, absent)
    title = next(part.title for part in cell.parts if part.name == "edge_0_1")
    assert title.startswith("cell 1: reluconv_k3_s1_c4-4_r16\n")


@pytest.mark.parametrize("name", SPACES)
def test_every_drawing_is_whole(name: str) -> None:
    """Each part once, none on another, each line from left to right, nothing outside the frame."""
    for cell in random_cells(name):
        root = ElementTree.fromstring(draw_cell(cell))
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        boxes = [
            {key: float(box.attrib[key]) for key in ("x", "y", "width", "height")}
            for box in root.iter("rect")
        ]
        assert len(boxes) == len(cell.parts) == len({part.name for part in cell.parts})
        for one in boxes:
            assert one["x"] >= 0 and one["x"] + one["width"] <= width
            assert one["y"] >= 0 and one["y"] + one["height"] <= height
        for one, other in combinations(boxes, 2):
            beside = abs(one["x"] + one["width"] / 2 - other["x"] - other["width"] / 2) > 60
            assert beside or abs(one["y"] - other["y"]) > one["height"]


@pytest.mark.parametrize("name", SPACES)
def test_columns_follow_the_flow(name: str) -> None:
    for cell in random_cells(name):
        columns = find_columns(cell.parts)
        for part in cell.parts:
            assert all(columns[source] < columns[part.name] for source in part.sources)
            assert (columns[part.name] == 0) == (part.kind == "input")
        assert columns[cell.parts[-1].name] == max(columns.values())


def test_lines_of_one_node_share_their_way() -> None:
    sources = {"a": (), "b": ("a",), "c": ("b",), "d": ("a", "c"), "e": ("a", "d")}
    plan = layered(sources, {name: depth for depth, name in enumerate(sources)})
    assert set(plan.columns[1]) == {("b", 1), ("a", 1)}
    assert set(plan.columns[3]) == {("d", 3), ("a", 3)}
    assert len(plan.lines) == len(set(plan.lines)) == 4 + 5


def test_lines_cross_no_more_than_they_must() -> None:
    sources = {"a": (), "b": (), "c": ("b",), "d": ("a",)}
    plan = layered(sources, {"a": 0, "b": 0, "c": 1, "d": 1})
    rows = [[name for name, _ in column] for column in plan.columns]
    assert rows == [["a", "b"], ["d", "c"]]
