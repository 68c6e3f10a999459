"""What came from elsewhere does nothing to a terminal."""

from __future__ import annotations

import logging

import pytest

from fbsearch.cli import main
from fbsearch.cli.printing import notify, print_fields, print_table
from fbsearch.cli.showing import MAX_CHARACTERS, escaped, one_line

CLEARING = "\x1b[2J"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a  b\n\tc", "a b c"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x00\x07\x7f\x9b", "\\x00\\x07\\x7f\\x9b"),
        ("a\u202eb\u200bc", "a\\u202eb\\u200bc"),
        ("half \udcff", "half \\udcff"),
        ("1.5\u202fms, 3\u00a0MB, dög, 猫, 😀, 3×3", "1.5 ms, 3 MB, dög, 猫, 😀, 3×3"),
    ],
)
def test_a_line_shows_what_cannot_be_seen(text, shown):
    assert one_line(text) == shown


def test_narrow_spaces_within_figures_stay():
    assert escaped("1.5\u202fms\n3\u00a0MB") == "1.5\u202fms\n3\u00a0MB"


def test_a_long_line_keeps_its_begin_and_its_end():
    line = one_line("first " + "x" * 60_000 + " last")
    assert len(line) == MAX_CHARACTERS
    assert line.startswith("first ") and " … " in line and line.endswith(" last")
    assert one_line("y" * MAX_CHARACTERS) == "y" * MAX_CHARACTERS


def test_errors_and_notices_and_tables_are_told_so(tmp_path, capsys):
    assert main(["report", str(tmp_path / CLEARING)]) == 2
    assert main(["describe", "fbnet_a", f"--{CLEARING}{'x' * 60_000}"]) == 2
    notify(f"reading {CLEARING}")
    print_table(CLEARING, ["name"], [[CLEARING]])
    print_fields(CLEARING, [("name", CLEARING)])
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert out.count("\\x1b[2J") == 4
    assert all(len(line) < MAX_CHARACTERS + 50 for line in err.splitlines())


def test_so_is_the_log(capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    assert main(["--version"]) == 0
    logging.getLogger("fbsearch.test").warning("folder %s", CLEARING)
    assert "folder \\x1b[2J" in capsys.readouterr().err
