"""A forest plot shows every estimate on its interval, and is one drawing by itself."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from fbsearch.reports.charts import Forest, ForestRow, draw_forest, write_forest

ROWS = (
    ForestRow("Zen-Score", "front", 0.5, (0.4, 0.6)),
    ForestRow("parameters", "dominated", 0.2, (-0.1, 0.25)),
    ForestRow("none at all", "dominated", 0.0, (0.0, 0.0)),
)
FOREST = Forest(
    ROWS, "Kendall's τ with the accuracy", 0.2, (("front", "proxies"), ("dominated", "baselines"))
)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def root(tmp_path):
    write_forest(tmp_path / "plot.svg", FOREST)
    return ElementTree.parse(tmp_path / "plot.svg").getroot()


def test_dots_lie_on_their_intervals_to_scale(root):
    rows = [group for group in root.findall(f"{SVG}g") if group.find(f"{SVG}title") is not None]
    dots = [float(row.find(f"{SVG}circle").get("cx")) for row in rows]
    ends = [[float(row.find(f"{SVG}line").get(end)) for end in ("x1", "x2")] for row in rows]
    per_unit = (dots[0] - dots[2]) / 0.5
    for row, (low, high) in zip(ROWS, ends, strict=True):
        assert [low, high] == pytest.approx([dots[2] + per_unit * end for end in row.interval], abs=0.2)


def test_names_and_figures_are_told(root):
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "Zen-Score" in texts and "0.50 (0.40 to 0.60)" in texts
    assert "0.20 (−0.10 to 0.25)" in texts and "0.00 (0.00 to 0.00)" in texts
    assert "proxies" in texts and "baselines" in texts
    assert root.get("aria-label").startswith("Kendall's τ with the accuracy: Zen-Score 0.50, parameters 0.20")


def test_the_reference_is_drawn_where_it_is():
    assert len(re.findall('class="reference"', draw_forest(FOREST))) == 1
    without = Forest(ROWS, "τ", None, FOREST.kinds)
    assert 'class="reference"' not in draw_forest(without)


def test_what_people_name_is_escaped():
    row = ForestRow("<script>", "front", 0.1, (0.0, 0.2))
    assert "<script>" not in draw_forest(Forest((row,), "τ", None, ()))
