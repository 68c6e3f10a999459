"""Ends that come from outside: signals, full disks, readers that have gone, places that cannot be."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fbsearch.cli import main
from fbsearch.cli.endings import Terminated, in_order
from fbsearch.spaces import load_space
from tests.latency.sample_table import sample_table

ROOT = Path(__file__).parents[2]
ENDS = [(signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.fixture(autouse=True)
def heard():
    """Signals as a shell's foreground job hears them, whatever runs the tests; unchanged afterwards."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number, _ in ENDS}
    yield
    assert all(signal.getsignal(number) is signal.SIG_DFL for number in before)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), ENDS)
def test_a_signal_ends_a_stage_as_ctrl_c_does(number, code, tmp_path, capsys, monkeypatch):
    load_space("digits").decode((0, 1, 2, 3)).save(tmp_path / "a.json")
    monkeypatch.setattr(
        "fbsearch.pipeline.stages.training.run_training", lambda *args, **kwargs: os.kill(os.getpid(), number)
    )
    out = tmp_path / "run"
    assert main(["train", str(tmp_path / "a.json"), "--data", "digits", "--out", str(out)]) == code
    told = capsys.readouterr().err
    assert f"ended by {number.name}; what is finished is kept" in told and "--resume" in told
    assert json.loads((out / "run.json").read_text())["stages"]["train"]["error"] == "Terminated"
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("number", [number for number, _ in ENDS])
def test_what_follows_at_once_does_not_end_the_tidying_too(number):
    tidied = []
    with pytest.raises(Terminated, match="SIGTERM"), in_order():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), number)
            tidied.append(True)
    assert tidied


def test_a_later_one_ends_what_hangs(monkeypatch):
    now_s = iter([0.0, 11.0])
    monkeypatch.setattr("fbsearch.cli.endings.time.monotonic", lambda: next(now_s))
    with in_order():
        for _ in range(2):
            with pytest.raises(Terminated):
                os.kill(os.getpid(), signal.SIGTERM)


def test_nohup_stays_in_force():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with in_order():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_a_thread_leaves_signals_to_the_program():
    heard = []

    def work() -> None:
        with in_order():
            heard.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [signal.SIG_DFL]


@pytest.mark.ci
@pytest.mark.parametrize("arguments", [["describe", "fbnet_a"], ["describe", "fbnet_a", "--json"]])
def test_a_reader_that_has_gone_is_no_bug(arguments):
    command = subprocess.Popen(
        [sys.executable, "-m", "fbsearch", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout is not None and command.stderr is not None
    command.stdout.close()
    assert (command.stderr.read(), command.wait(60)) == (b"", 141)


def test_a_broken_pipe_to_somewhere_else_is_one(monkeypatch, capsys):
    def fail() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("fbsearch.devices.list_devices", fail)
    assert main(["devices"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO])
def test_a_disk_that_takes_no_more_is_one_line(number, monkeypatch, failing):
    def fail() -> None:
        raise OSError(number, os.strerror(number), "some/file")

    monkeypatch.setattr("fbsearch.devices.list_devices", fail)
    line = failing("devices")
    assert f"cannot write some/file: {os.strerror(number)}; what is finished is kept" in line


LONG = "x" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["describe", LONG],
        ["describe", "fbnet_a", "--table", LONG],
        ["run", LONG, "--resume"],
        ["run", "quickstart", "--out", LONG],
        ["run", LONG, "--out", "run"],
        ["report", LONG],
        ["profile", "--space", "digits", "--out", LONG],
        ["profile", "--space", LONG],
        ["profile", "--space", "digits", "--device", LONG],
        ["table", "show", LONG],
        ["table", "show", "table.json", "--plot", LONG],
        ["calibrate", LONG],
        ["train", LONG, "--data", "digits", "--out", "run"],
        ["train", "a.json", "--data", LONG, "--out", "run"],
        ["train", "a.json", "--data", "digits", "--out", LONG],
        ["train", "a.json", "--data", "digits", "--out", "run", "--init", LONG],
        ["export", LONG, "--to", "m.onnx"],
        ["verify", LONG],
        ["devices", "describe", LONG],
    ],
)
def test_a_name_that_no_file_system_takes_is_one_line(arguments, failing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sample_table().save(tmp_path / "table.json")
    load_space("digits").decode((0, 1, 2, 3)).save(tmp_path / "a.json")
    assert "xxx" in failing(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "quickstart", "--out", ""],
        ["run", "quickstart", "--out", " "],
        ["train", "a.json", "--data", "digits", "--out", ""],
        ["search", "--space", "digits", "--data", "digits", "--table", "table.json", "--out", ""],
        ["profile", "--space", "digits", "--out", ""],
        ["table", "show", "table.json", "--plot", ""],
        ["table", "check", "table.json", "--plot", ""],
        ["report", "run", "--figures", ""],
        ["export", "run", "--to", ""],
        ["devices", "describe", "local", "--write", ""],
    ],
)
def test_an_empty_name_is_not_the_working_folder(arguments, failing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = failing(*arguments)
    assert "it is empty: name a file or a folder" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["table", "show"], ["table", "check"]])
def test_a_figure_is_no_folder_and_that_is_said_before_hours_of_work(command, failing, tmp_path):
    sample_table().save(tmp_path / "table.json")
    device = ("--device", "local") if command[-1] == "check" else ()
    line = failing(*command, tmp_path / "table.json", *device, "--plot", tmp_path)
    assert f"{tmp_path} is a folder: name a file in it" in line
