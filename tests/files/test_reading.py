"""Regular files alone, and no more of them than their kind has."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest

from fbsearch.architecture import Architecture
from fbsearch.devices.definition import load_definition as load_device
from fbsearch.errors import FbsearchError, MissingFileError, UnreadableFileError
from fbsearch.export import read_sidecar
from fbsearch.files import check_regular, read_bytes, read_open, read_text, sha256_of
from fbsearch.latency import LatencyTable
from fbsearch.latency.measuring.journal import Journal
from fbsearch.nn.tensor_file import read_tensors
from fbsearch.pipeline import load_recipe
from fbsearch.pipeline.recipe.stored_recipe import read_recipe
from fbsearch.records import RunRecord, read_metrics, read_record
from fbsearch.spaces import load_space
from fbsearch.train import load_state

HUGE_BYTES = 8 * 2**30


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path has a hundred characters at most
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_folder(path: Path) -> None:
    path.mkdir()


def holes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(HUGE_BYTES)


KINDS = {
    a_pipe: "a pipe, no regular file",
    a_socket: "a socket, no regular file",
    a_device: "a device, no regular file",
    a_folder: "a folder, no regular file",
    holes: "8,589,934,592 bytes, more than the",
}
READERS = {
    "architecture": Architecture.load,
    "table": LatencyTable.load,
    "recipe": lambda path: load_recipe(str(path)),
    "stored recipe": read_recipe,
    "space": lambda path: load_space(str(path)),
    "device": load_device,
    "record": lambda path: read_record(path, RunRecord),
    "metrics": read_metrics,
    "tensors": lambda path: read_tensors(path, most_bytes=1000),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_of_its_kind_is_named_and_left_alone(tmp_path, kind, reader):
    path = tmp_path / "given.yaml"
    kind(path)
    with pytest.raises(FbsearchError, match=KINDS[kind]):
        READERS[reader](path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", [a_pipe, a_device, a_folder])
def test_so_are_checkpoints_and_what_lies_beside_models(tmp_path, kind):
    path = tmp_path / "model.tflite.json"
    kind(path)
    with pytest.raises(FbsearchError, match=KINDS[kind]):
        load_state(path)
    with pytest.raises(FbsearchError, match=KINDS[kind]):
        read_sidecar(tmp_path / "model.tflite")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", [a_device, holes])
def test_so_are_journals(tmp_path, kind):
    path = tmp_path / "journal.jsonl"
    kind(path)
    with pytest.raises(FbsearchError, match=KINDS[kind]):
        Journal(path, {})


def test_a_link_is_followed_to_its_file(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_bytes(tmp_path / "link", most_bytes=7) == b"content"
    assert sha256_of(tmp_path / "link") == hashlib.sha256(b"content").hexdigest()


def test_a_bound_is_the_most_that_is_taken(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 8)
    check_regular(path, most_bytes=8)
    assert len(read_bytes(path, most_bytes=8)) == 8
    for read in (read_bytes, sha256_of, check_regular):
        with pytest.raises(UnreadableFileError, match=r"^8 bytes, more than the 7 that such a file may have"):
            read(path, most_bytes=7)


def test_a_file_that_tells_no_size_is_cut_off_all_the_same():
    with (
        Path("/proc/self/smaps").open("rb") as file,
        pytest.raises(UnreadableFileError, match="more than the 10"),
    ):
        read_open(file, most_bytes=10)


@pytest.mark.parametrize("name", ["nothing", "file/below"])
def test_a_file_that_is_not_there(tmp_path, name):
    (tmp_path / "file").touch()
    kind = MissingFileError if name == "nothing" else UnreadableFileError
    with pytest.raises(kind, match=r"No such file|Not a directory"):
        read_text(tmp_path / name)


@pytest.mark.parametrize("name", ["zero\0byte", "half \ud800", "long" * 100])
def test_a_name_that_none_can_have(tmp_path, name):
    with pytest.raises(UnreadableFileError):
        read_text(tmp_path / name)


def test_text_is_utf8_with_ends_of_lines_of_any_system(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("é\r\nb\rc\n".encode())
    assert read_text(path) == "é\nb\nc\n"
    path.write_bytes(b"ab\xff")
    with pytest.raises(UnreadableFileError, match="not UTF-8 text: invalid start byte at byte 2"):
        read_text(path)
