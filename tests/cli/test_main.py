"""Exit codes and help of the command line itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fbsearch
from fbsearch.cli import main

HELP_OF_ALL = """
import sys
from fbsearch.cli import main
commands = "describe profile calibrate search train export verify run report table devices".split()
below = [("table", name) for name in ("check", "grow", "show")]
below += [("devices", name) for name in ("describe", "setup")]
for words in [(), *((name,) for name in commands), *below]:
    assert main([*words, "--help"]) == 0, words
print()
print(*sorted({name.split(".")[1] for name in sys.modules if name.startswith("fbsearch.")}))
print(*({"numpy", "scipy", "torch"} & set(sys.modules)))
"""


def test_version_and_help_end_well(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == fbsearch.__version__
    for arguments in ([], ["--help"], ["run", "--help"]):
        assert main(arguments) == 0
        assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", ["devices", "describe", "profile", "search", "train", "export", "verify", "run"]
)
def test_every_command_shows_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    assert "Example" in capsys.readouterr().out


def interrupt() -> None:
    raise KeyboardInterrupt


def fail() -> None:
    raise RuntimeError("a bug")


def test_an_interruption_says_how_to_go_on(monkeypatch, capsys):
    monkeypatch.setattr("fbsearch.devices.list_devices", interrupt)
    assert main(["devices"]) == 130
    assert "--resume" in capsys.readouterr().err


def test_a_bug_shows_its_traceback(monkeypatch, capsys):
    monkeypatch.setattr("fbsearch.devices.list_devices", fail)
    assert main(["devices"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_debug_shows_the_traceback_of_a_users_error(capsys):
    assert main(["--debug", "describe", "nothing"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_help_waits_for_nothing_heavy():
    command = [sys.executable, "-c", HELP_OF_ALL]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    *_, rooms, packages = done.stdout.split("\n")[:-1]
    assert set(rooms.split()) <= {"cli", "errors", "files"}
    assert packages == ""
