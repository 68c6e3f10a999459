"""Settings of all tests; the environment of tests/tflite_runtime has neither torch nor hypothesis."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

if find_spec("hypothesis"):
    from hypothesis import settings

    # CI's machines are shared: an example that takes long there says nothing.
    settings.register_profile("fbsearch", deadline=None)
    settings.load_profile("fbsearch")

if find_spec("torch"):
    import torch

    # Test processes run side by side on small networks: more threads would only get in their way.
    torch.set_num_threads(1)


@pytest.fixture
def failing(capsys):
    """Runs a command that must fail: its one line."""
    from fbsearch.cli import main  # here: not in every environment

    def run(*arguments: object) -> str:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        lines = captured.err.strip().splitlines()
        assert code == 2, captured.err
        assert len(lines) == 1 and lines[0].startswith("fbsearch: error: "), captured.err
        assert captured.out == "" and "Traceback" not in captured.err
        return lines[0]

    return run
