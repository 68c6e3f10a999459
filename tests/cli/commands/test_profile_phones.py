"""``fbsearch profile`` on simulated phones, several of them at once."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from pathlib import Path

import pytest

from fbsearch.architecture import Operator
from fbsearch.cli import main, printing
from fbsearch.cli.commands import profile
from fbsearch.export import ConversionCache
from fbsearch.latency import LatencyTable
from tests.cli.phones import ROOT, place, unused_port, write_device

MODELS = ROOT / "tests" / "tflite_runtime" / "models"
FOLDER = "/data/local/tmp/fbsearch"
PROFILE = ("profile", "--space", str(MODELS / "space.yaml"))

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home", "models")]


@pytest.fixture
def models(home) -> None:
    """The conversion cache with the models of the golden space."""
    cache = ConversionCache()
    for model in MODELS.glob("*_r*.tflite"):
        path = cache.path(Operator.from_key(model.stem), "tflite")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model, path)


def test_what_is_kept(command, pixel):
    write_device("sim", place(pixel))
    folder = pixel.sandbox.to_host(FOLDER)
    command(*PROFILE, "--device", "sim", "--out", "t.json", "--keep")
    assert LatencyTable.load(Path("t.json")).device.model == "Google Pixel 7 Pro"
    assert any(file.suffix == ".tflite" for file in folder.iterdir())
    assert not pixel.fixed_performance
    command(*PROFILE, "--device", "sim", "--out", "t.json")
    assert not folder.exists()


def test_several_of_which_one_fails(capsys, pixel, board):
    write_device("sim", place(pixel))
    write_device("board", place(board))
    write_device("gone", f"127.0.0.1:{unused_port()}")
    names = ("sim", "gone", "board")
    code = main([*PROFILE, *(word for name in names for word in ("--device", name)), "--out", "t/"])
    lines = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert lines[-1].startswith("fbsearch: error: 1 of 3 devices failed: gone (")
    assert all(line.startswith(("sim: ", "board: ", "gone: ")) for line in lines[:-1])
    tables = {path.name.partition("-")[0]: LatencyTable.load(path) for path in Path("t").glob("*.json")}
    assert {name: table.device.name for name, table in tables.items()} == {"sim": "sim", "board": "board"}
    for phone in (pixel, board):
        assert not phone.sandbox.to_host(FOLDER).exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_all_and_keeps_the_work(capsys, monkeypatch, pixel, board, number, code):
    write_device("sim", place(pixel))
    write_device("board", place(board))
    first, stopping = threading.Lock(), threading.Event()
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

    def interrupting(line: str) -> None:
        printing.notify(line)
        if "stopping" in line:
            stopping.set()
        if re.search(r": measured \d", line) and first.acquire(blocking=False):
            os.kill(os.getpid(), number)
            assert stopping.wait(60)  # else a busy machine may have ended it before the signal is heard

    monkeypatch.setattr(profile, "notify", interrupting)
    arguments = [*PROFILE, "--device", "sim", "--device", "board", "--out", "t/"]
    try:
        assert main(arguments) == code
    finally:
        signal.signal(signal.SIGINT, heard)
    said = capsys.readouterr().err
    assert "stopping" in said and "the same command goes on" in said
    journals = list(Path("t").glob("*.partial"))
    assert any("round_us" in journal.read_text() for journal in journals)
    for phone in (pixel, board):
        assert not phone.sandbox.to_host(FOLDER).exists() and not phone.fixed_performance
