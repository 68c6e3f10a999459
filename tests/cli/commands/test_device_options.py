"""``--device`` and ``--keep`` of commands that measure, before anything is measured."""

from __future__ import annotations

import json

import pytest

from tests.cli.phones import write_device

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["profile", "--space", "digits", "--device", "local", "--device", "nobody"], "this computer"),
        (["profile", "--space", "digits", "--device", "a", "--device", "nobody"], "nobody"),
        (["profile", "--space", "digits", "--device", "a", "--device", "a"], "both write"),
        (["profile", "--space", "digits", "--device", "a", "--device", "b", "--out", "t.json"], "folder"),
        (["profile", "--space", "digits", "--device", "a", "--device", "b"], "one phone (127.0.0.1:1)"),
        (["profile", "--space", "digits", "--keep"], "--keep"),
        (["run", "quickstart", "--out", "r", "--device", "nobody"], "nobody"),
        (["run", "quickstart", "--out", "r", "--device", "12"], "'12'"),
        (["run", "quickstart", "--out", "r", "--keep"], "--keep"),
        (["verify", "model.tflite", "--keep"], "--keep"),
    ],
)
def test_bad_input(failing, arguments, named):
    for name in ("a", "b"):
        write_device(name, "127.0.0.1:1")
    assert named in failing(*arguments)


def test_run_takes_a_device(command):
    write_device("123", "127.0.0.1:1")
    planned = json.loads(
        command("run", "quickstart", "--device", "123", "--out", "r", "--dry-run", "--json")[0]
    )
    assert "123" in next(stage["what"] if "what" in stage else stage["action"] for stage in planned)


def test_a_dry_run_names_every_table(command):
    for port, name in enumerate(("a", "b"), start=1):
        write_device(name, f"127.0.0.1:{port}")
    arguments = ["profile", "--space", "digits", "--device", "a", "--device", "b", "--dry-run"]
    for out, folder in ((["--out", "t/"], "t/"), ([], "latency_tables/")):
        lines = command(*arguments, *out)[1].splitlines()
        assert len(lines) == 2
        assert all(
            f"into {folder}{name}-tflite-digits-" in line for name, line in zip("ab", lines, strict=True)
        )
