"""What tests of the command line share."""

from __future__ import annotations

import pytest

from fbsearch.cli.main import main


@pytest.fixture
def failing(capsys):
    """Runs a command that must fail: its one line."""

    def run(*arguments: object) -> str:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        lines = captured.err.strip().splitlines()
        assert code == 2, captured.err
        assert len(lines) == 1 and lines[0].startswith("fbsearch: error: "), captured.err
        assert captured.out == "" and "Traceback" not in captured.err
        return lines[0]

    return run
