"""The page takes what marks look like from the same file as figures do."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from fbsearch.reports import write_report
from tests.reports.sample_run import write_sample_run


def test_the_page_holds_the_charts_rules_once_and_no_others_for_marks(tmp_path: Path) -> None:
    text = write_report(write_sample_run(tmp_path / "quickstart").folder).read_text()
    style = text[text.index("<style>") : text.index("</style>")]
    reports = resources.files("fbsearch.reports")
    assert style.count(reports.joinpath("charts/chart.css").read_text().strip()) == 1
    assert style.count(reports.joinpath("charts/palette.css").read_text().strip()) == 1
    page = reports.joinpath("templates/page.css").read_text()
    assert not re.search(r"svg \.|--blue:|prefers-color-scheme", page)
    assert set(re.findall(r"var\((--[\w-]+)", page)) - {"--heat", "--a"} <= set(
        re.findall(r"(--[\w-]+):", style)
    )
