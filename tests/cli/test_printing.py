"""What commands print, and which process does."""

from __future__ import annotations

from fbsearch.cli.printing import notify, print_json


def test_of_several_processes_the_first_one_speaks(monkeypatch, capsys):
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        notify("told")
        print_json([1])
    assert capsys.readouterr() == ("[1]\n", "told\n")
