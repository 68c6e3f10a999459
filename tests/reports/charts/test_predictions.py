"""Predicted against measured latencies."""

from __future__ import annotations

from xml.etree import ElementTree

from fbsearch.reports.charts import Predictions, write_predictions

SVG = "{http://www.w3.org/2000/svg}"


def test_a_scatter_of_predictions_is_a_file_of_its_own(tmp_path) -> None:
    sets = [
        Predictions("plain sums", "second", ((900.0, 1000.0), (1900.0, 2100.0))),
        Predictions("calibrated", "main", ((1000.0, 1000.0), (2090.0, 2100.0))),
    ]
    write_predictions(tmp_path / "check.svg", sets)
    root = ElementTree.parse(tmp_path / "check.svg").getroot()
    assert root.tag == f"{SVG}svg"
    circles = list(root.iter(f"{SVG}circle"))
    assert len(circles) == 4 + 2, "the points and the keys"
    assert "2 whole networks" in root.get("aria-label")
