"""The page forbids all that it does not need, and a browser keeps to it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fbsearch.reports import write_report
from tests.reports.sample_run import write_sample_run

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
ATTACKS = (
    "<script>document.body.dataset.hit = 'script'</script>",
    '<img src="x" onerror="document.body.dataset.hit = \'handler\'">',
    "<svg onload=\"document.body.dataset.hit = 'svg'\"></svg>",
    "<iframe srcdoc=\"<script>parent.document.body.dataset.hit = 'frame'</script>\"></iframe>",
)
HOSTILE = (
    "\"'></style></svg></td><script>document.body.dataset.hit = 'name'</script><img src=x onerror=hit()>"
)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return write_report(write_sample_run(tmp_path / "run").folder)


def test_the_policy_stands_before_all_that_it_governs(page: Path) -> None:
    text = page.read_text()
    [policy] = POLICY.findall(text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert text.index("Content-Security-Policy") < min(text.index("<title>"), text.index("<style>"))


@pytest.mark.ci
@pytest.mark.skipif(BROWSER is None, reason="needs a browser")
class TestInABrowser:
    """Chromium, where it is installed."""

    def shown(self, page: Path, tmp_path: Path) -> tuple[str, str]:
        """What the page has become once its scripts have run, and what the browser complains of."""
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom")
        command = [str(BROWSER), *options, f"--user-data-dir={tmp_path / 'browser'}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)

    def test_the_page_needs_nothing_that_it_forbids(self, page: Path, tmp_path: Path) -> None:
        shown, complaints = self.shown(page, tmp_path)
        assert "Within budget" in shown and complaints == ""

    def test_nothing_runs_that_got_in(self, page: Path, tmp_path: Path) -> None:
        text = page.read_text()
        for attack in ATTACKS:
            bad = page.with_name("bad.html")
            bad.write_text(text.replace("</body>", f"{attack}</body>"))
            shown, complaints = self.shown(bad, tmp_path)
            assert "data-hit" not in shown and "Content Security Policy" in complaints, attack
            bad.write_text(POLICY.sub("", text).replace("</body>", f"{attack}</body>"))
            assert "data-hit" in self.shown(bad, tmp_path)[0], f"an attack that never works: {attack}"

    def test_hostile_names_are_text_even_without_it(self, tmp_path: Path) -> None:
        names = [HOSTILE + str(index) for index in range(10)]
        folder = write_sample_run(tmp_path / "run", class_names=names, device_name=HOSTILE).folder
        record = {"command": HOSTILE, "machine": {"model": HOSTILE}, "stages": {HOSTILE: {"seconds": 1}}}
        (folder / "run.json").write_text(json.dumps(record))
        page = write_report(folder)
        page.write_text(POLICY.sub("", page.read_text()))
        shown, complaints = self.shown(page, tmp_path)
        assert "data-hit" not in shown and complaints == ""
        assert not re.search(r"<(script|img)\b", shown)
