"""Simulated phones, and a place of a test's own to measure on them from."""

from __future__ import annotations

from pathlib import Path

import pytest

from fbsearch.cli import main
from fbsearch.export.cache import CACHE_VARIABLE
from tools.simulated_phone import SimulatedPhone


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home, a working folder and an adb server's port of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "work" / "devices").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


@pytest.fixture
def pixel(tmp_path):
    with SimulatedPhone(tmp_path / "pixel") as phone:
        yield phone


@pytest.fixture
def board(tmp_path):
    with SimulatedPhone(tmp_path / "board", profile="board") as phone:
        yield phone


@pytest.fixture
def command(capsys):
    """Runs a command that must succeed: what it printed on standard output, and on standard error."""

    def run(*arguments: object) -> tuple[str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out, captured.err

    return run
