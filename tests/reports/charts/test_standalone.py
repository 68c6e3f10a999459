"""One source of what marks look like, for pages and for files."""

from __future__ import annotations

import re
from importlib import resources
from xml.etree import ElementTree

import pytest
from markupsafe import Markup

from fbsearch.architecture.operators import MBConv
from fbsearch.reports.charts import (
    LineChart,
    ParetoPlot,
    ParetoPoint,
    Predictions,
    Reference,
    Series,
    draw_heat_map,
    draw_histogram,
    draw_lines,
    draw_pareto,
    draw_predictions,
    latency_grid,
    make_histogram,
    probability_grid,
    standalone,
)
from fbsearch.reports.charts.standalone import selector_classes
from fbsearch.reports.charts.units import LATENCY
from fbsearch.reports.drawings.cell_graph import draw_cell
from fbsearch.reports.drawings.cells import CellGraph, CellPart
from fbsearch.reports.drawings.chain import draw_block

ROWS = [(("a", "b"), (0.25, 0.75)), (("a", "skip"), (1.0, 0.0))]
PALETTE = resources.files("fbsearch.reports").joinpath("charts/palette.css").read_text()
SHEET = resources.files("fbsearch.reports").joinpath("charts/chart.css").read_text()

CELL = (
    CellPart("in_0", "input", "0", ()),
    *(CellPart(f"k{k}", "operator", f"conv {k}×{k}", ("in_0",), f"a key {k}", f"k{k}") for k in (3, 5, 7)),
    CellPart("unused", "operator", "skip", ("in_0",), is_idle=True),
    CellPart("nobody", "state", "1", ("unused",), is_idle=True),
    CellPart("node_2", "state", "2", ("k3", "k5", "k7")),
)


def _points(*roles: tuple[bool, bool]) -> tuple[ParetoPoint, ...]:
    return tuple(
        ParetoPoint("a", 0.8, 1000.0, measured, is_chosen=is_chosen, is_dominated=is_dominated)
        for is_chosen, is_dominated in roles
        for measured in (None, 1100.0)
    )


def drawings() -> dict[str, Markup]:
    """Every kind of drawing, with every kind of mark that it may have."""
    main = Series("a", "main", ((0.0, 900.0), (1.0, 800.0)))
    lines = LineChart(
        "Latency", LATENCY,
        (main, Series("b", "second", ((0.0, 950.0), (1.0, 940.0)))), Reference("budget", 850.0), warm_up=0,
    )  # fmt: skip
    single = LineChart("Latency", LATENCY, (Series("a", "main", ((0.0, 900.0),)),))
    histogram = make_histogram([0.01, 0.012, 0.05], target=0.02)
    assert histogram is not None
    return {
        "lines": draw_lines(lines),
        "single": draw_lines(single),
        "pareto": draw_pareto(ParetoPlot(_points((True, False), (False, True), (False, False)), (1050.0,))),
        "predictions": draw_predictions(
            (Predictions("x", "main", ((900.0, 1000.0),)), Predictions("y", "second", ((1e3, 1e3),)))
        ),
        "histogram": draw_histogram(histogram),
        "latencies": draw_heat_map(latency_grid(ROWS, (1, 0)), title="ms", colour="orange"),
        "probabilities": draw_heat_map(probability_grid(ROWS, (1, 0)), title="%", colour="blue"),
        "cell": draw_cell(CellGraph("Normal cell", (1,), CELL)),
        "block": draw_block(MBConv(8, 8, 8, kernel=5, expansion=3, groups=2, squeeze_excite=0.25), "a block"),
    }


@pytest.mark.parametrize("name", drawings())
def test_a_file_resolves_every_colour_in_light_and_dark(name: str) -> None:
    text = standalone(drawings()[name])
    root = ElementTree.fromstring(text)
    assert "var(" not in text and "--" not in text
    light, dark = text.split("@media (prefers-color-scheme: dark)")
    label = next(iter(root)).text
    assert label and label.count("{") == label.count("}")
    assert ("#ffffff" in light) and ("#14171a" in dark), "the background"
    assert all(rule.count("#") + rule.count("rgb(") > 0 for rule in re.findall(r"\{([^{}]+)\}", dark))


@pytest.mark.parametrize("name", drawings())
def test_a_file_holds_the_rules_of_its_own_classes_and_no_others(name: str) -> None:
    svg = drawings()[name]
    used = {word for words in re.findall(r'class="([^"]*)"', svg) for word in words.split()}
    style = ElementTree.fromstring(standalone(svg))[0].text or ""
    kept = re.findall(r"^(svg[^{\n]*) \{", style, flags=re.MULTILINE)
    assert all(selector_classes(selector) <= used for selector in kept)
    expected = {
        selector.strip()
        for selectors in re.findall(r"^(svg[^{]*)\{", SHEET, flags=re.MULTILINE)
        for selector in selectors.split(",")
        if selector_classes(selector) <= used
    }
    assert set(kept) == expected


def test_every_rule_is_needed_and_both_palettes_name_the_same_colours() -> None:
    used = {
        word
        for svg in drawings().values()
        for words in re.findall(r'class="([^"]*)"', svg)
        for word in words.split()
    }
    elsewhere = {
        "high",
        "highest",
        "skip",
        "k1",
        "k3",
        "k7",
        "fixed",
        "residual",
    }  # on other numbers, operators
    selectors = [
        one for line in SHEET.splitlines() if line.startswith("svg") for one in line.split("{")[0].split(",")
    ]
    assert all(selector_classes(one) <= used | elsewhere for one in selectors)
    light, dark = PALETTE.split("@media")
    names = re.compile(r"(--[\w-]+):")
    assert (
        set(names.findall(light)) == set(names.findall(dark)) >= set(re.findall(r"var\((--[\w-]+)\)", SHEET))
    )


@pytest.mark.parametrize("name", [name for name in drawings() if name != "block"])
def test_every_mark_tells_its_values_under_the_pointer(name: str) -> None:
    root = ElementTree.fromstring(drawings()[name])
    told = {"dot", "ring", "bar", "cell"}
    parents = {child: parent for parent in root.iter() for child in parent}
    marks = [one for one in root.iter() if told & set((one.get("class") or "").split())]
    silent = [one for one in marks if one.find("title") is None and parents[one].find("title") is None]
    texts = [one.text for one in root if one.tag == "text"]
    if name == "single":
        assert len(silent) == 1, "below the column that tells it"
    else:
        num_keys = sum(
            text in {"chosen", "on the front", "dominated", "predicted", "x", "y"} for text in texts
        )
        assert len(silent) == num_keys, "only the key is silent"


def test_lines_tell_all_their_values_epoch_by_epoch() -> None:
    root = ElementTree.fromstring(drawings()["lines"])
    [columns] = [one for one in root if one.get("class") == "columns"]
    assert [one[0].text.replace("\u00a0", " ") for one in columns] == [
        "epoch 0: a 0.900 ms, b 0.950 ms", "epoch 1: a 0.800 ms, b 0.940 ms",
    ]  # fmt: skip
    edges = [(float(one.get("x", 0)), float(one.get("width", 0))) for one in columns]
    assert edges == [(46.0, 130.0), (176.0, 130.0)], "no gap between them"
