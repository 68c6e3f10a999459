"""The front, and its drawing."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from fbsearch.reports.charts import ParetoPlot, ParetoPoint, draw_pareto, find_dominated, standalone

SVG = "{http://www.w3.org/2000/svg}"


@given(
    st.lists(st.tuples(st.integers(1, 5).map(float), st.integers(0, 4).map(float)), min_size=1, max_size=8)
)
def test_what_is_not_dominated_is_beaten_by_none(pairs: list[tuple[float, float]]) -> None:
    dominated = find_dominated(*zip(*pairs, strict=True))
    assert not all(dominated)
    front = {pair for pair, is_dominated in zip(pairs, dominated, strict=True) if not is_dominated}
    ordered = sorted(front)
    assert all(slow > fast for (_, fast), (_, slow) in itertools.pairwise(ordered))
    for (latency, accuracy), is_dominated in zip(pairs, dominated, strict=True):
        covered = any(other <= latency and value >= accuracy for other, value in front)
        assert covered
        assert is_dominated == ((latency, accuracy) not in front)


def test_a_pareto_plot_draws_measured_and_predicted_and_its_budget() -> None:
    points = (
        ParetoPoint("a", 0.8, 1000.0, 1100.0, is_chosen=True, is_dominated=False),
        ParetoPoint("b", 0.7, 1400.0, 1500.0, is_chosen=False, is_dominated=True),
        ParetoPoint("c", 0.9, 2000.0, None, is_chosen=False, is_dominated=False),
    )
    root = ElementTree.fromstring(standalone(draw_pareto(ParetoPlot(points, (1200.0,)))))
    marks = [
        (circle.get("class"), float(circle.get("cx", "nan")))
        for circle in root.findall(f"{SVG}g/{SVG}circle")
    ]
    # The axis runs from 1.0 ms at 54 to 2.0 ms at 336.
    assert marks == [
        ("ring small dominated", 166.8), ("dot dominated", 195.0),
        ("ring front", 336.0),
        ("ring small chosen", 54.0), ("dot chosen", 82.2),
    ]  # fmt: skip
    budget = root.find(f"{SVG}g/{SVG}line[@class='reference']")
    assert budget is not None and budget.get("x1") == budget.get("x2") == "110.4"
    front = root.find(f"{SVG}polyline")
    assert front is not None
    xs = [float(pair.split(",")[0]) for pair in (front.get("points") or "").split()]
    assert xs == [82.2, 336.0, 336.0, 352.0], "from the chosen one up to the most accurate"
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "budget 1.20\u00a0ms" in texts
    assert texts[-4:] == ["chosen", "on the front", "dominated", "predicted"]


def test_budgets_too_close_to_name_are_drawn_all_the_same() -> None:
    point = ParetoPoint("a", 0.8, 1000.0, None, is_chosen=False, is_dominated=False)
    svg = standalone(draw_pareto(ParetoPlot((point,), (1000.0, 1010.0, 2000.0))))
    assert svg.count('"reference"') == 3 and svg.count("<title>budget ") == 3
    assert svg.count('">1.01') == 0 and svg.count('">2.00\u00a0ms') == 1
