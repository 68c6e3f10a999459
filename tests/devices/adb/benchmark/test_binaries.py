"""Benchmark binaries: fetched from a local server, pinned, refused when they are not what they should be."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fbsearch.devices.adb.benchmark import binaries
from fbsearch.devices.adb.benchmark.binaries import binary_for, fetch_binary, remote_name
from fbsearch.errors import DeviceError

ARM64, ARM, X86_64, X86 = 183, 40, 62, 3


def elf(machine: int, tail: bytes = b"code", *, big_endian: bool = False) -> bytes:
    order = "big" if big_endian else "little"
    return (
        b"\x7fELF\x02" + (b"\x02" if big_endian else b"\x01") + b"\0" * 12 + machine.to_bytes(2, order) + tail
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Publisher(ThreadingHTTPServer):
    """A server on this computer that answers with what the test puts there."""

    content = elf(ARM64) + b"\0" * 300_000
    status = 200
    length: int | None = None
    pause_s = 0.0
    location: str | None = None
    num_requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/benchmark_model"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Publisher)
        server.num_requests += 1
        time.sleep(server.pause_s)
        self.send_response(server.status)
        if server.location:
            self.send_header("Location", server.location)
        self.send_header("Content-Length", str(server.length or len(server.content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(server.content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Publisher(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def fetch(publisher: Publisher, folder: Path, **options):
    return fetch_binary("arm64-v8a", url=publisher.url, folder=folder, **options)


class TestFetch:
    def test_it_is_kept_with_a_pin(self, publisher, tmp_path):
        told: list[tuple[int, int | None]] = []
        binary = fetch(publisher, tmp_path, progress=lambda done, total: told.append((done, total)))
        assert binary.path == tmp_path / "arm64-v8a/benchmark_model"
        assert binary.path.read_bytes() == publisher.content
        assert (binary.sha256, binary.size_bytes) == (sha256(publisher.content), len(publisher.content))
        assert told[-1] == (len(publisher.content), len(publisher.content))
        pin = json.loads((tmp_path / "arm64-v8a/benchmark_model.json").read_text())
        assert pin == {
            "url": publisher.url,
            "sha256": binary.sha256,
            "size": binary.size_bytes,
            "date": binary.date,
        }
        assert binary_for("arm64-v8a", given=None, folder=tmp_path) == binary
        assert publisher.num_requests == 1
        assert remote_name(binary) == f"benchmark_model-{binary.sha256[:16]}"

    def test_a_newer_one_replaces_it_and_says_so(self, publisher, tmp_path):
        old = fetch(publisher, tmp_path)
        publisher.content = elf(ARM64, b"newer")
        new = fetch(publisher, tmp_path)
        assert new.replaced_sha256 == old.sha256
        assert fetch(publisher, tmp_path).replaced_sha256 is None

    def test_the_hash_asked_for(self, publisher, tmp_path):
        wanted = sha256(publisher.content)
        assert fetch(publisher, tmp_path, sha256=f" {wanted.upper()}\n").sha256 == wanted
        publisher.content += b"!"
        with pytest.raises(DeviceError, match=f"{sha256(publisher.content)}.*{wanted}"):
            fetch(publisher, tmp_path, sha256=wanted)
        assert binary_for("arm64-v8a", given=None, folder=tmp_path).sha256 == wanted

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"status": 404}, "404"),
            ({"content": b"<html>not here</html>"}, "no ELF"),
            ({"content": elf(X86_64)}, "built for x86_64.*needs aarch64"),
            ({"content": elf(ARM64)[:19]}, "no ELF"),
            ({"content": b""}, "no ELF"),
            ({"content": b"#!/bin/sh\n"}, "no ELF"),
            ({"length": 10_000_000}, "ended after|IncompleteRead|time"),
            ({"length": 10**14}, "more than"),
            ({"status": 302, "location": "file:///etc/passwd"}, "fetch"),
            ({"status": 302, "location": "ftp://127.0.0.1:1/x"}, "fetch"),
            ({"status": 302, "location": "http://127.0.0.1:1/x"}, "refused"),
        ],
    )
    def test_what_goes_wrong_leaves_what_was_there(self, publisher, tmp_path, change, words):
        before = fetch(publisher, tmp_path)
        for name, value in change.items():
            setattr(publisher, name, value)
        with pytest.raises(DeviceError, match=words) as caught:
            fetch(publisher, tmp_path, silence_s=2)
        assert "\n" not in str(caught.value)
        assert binary_for("arm64-v8a", given=None, folder=tmp_path) == before
        assert {path.name for path in before.path.parent.iterdir()} == {
            "benchmark_model",
            "benchmark_model.json",
        }

    def test_limits(self, publisher, tmp_path):
        with pytest.raises(DeviceError, match="more than the 1000"):
            fetch(publisher, tmp_path, max_bytes=1000)
        with pytest.raises(DeviceError, match="too slow"):
            fetch(publisher, tmp_path, limit_s=-1)
        publisher.pause_s = 1
        with pytest.raises(DeviceError, match="timed out"):
            fetch(publisher, tmp_path, silence_s=0.1)
        assert not any(path.is_file() for path in tmp_path.rglob("*"))

    @pytest.mark.parametrize(
        "url",
        [
            "http://example.org/x",
            "file:///etc/passwd",
            "ftp://x/y",
            "x",
            "https://",
            "http://[",
            "https://a b/",
            "",
        ],
    )
    def test_addresses(self, url, tmp_path):
        with pytest.raises(DeviceError):
            fetch_binary("arm64-v8a" if url else "mips", url=url, folder=tmp_path, silence_s=1)

    @pytest.mark.parametrize("hash_", ["", "abc", "g" * 64, "0" * 65])
    def test_hashes(self, publisher, tmp_path, hash_):
        with pytest.raises(DeviceError, match="64 hexadecimal"):
            fetch(publisher, tmp_path, sha256=hash_)
        assert publisher.num_requests == 0

    @pytest.mark.parametrize("abi", ["../x", "", "/etc", "a/b", "a" * 50, "x\0y"])
    def test_names_that_are_no_abi(self, publisher, tmp_path, abi):
        with pytest.raises(DeviceError, match="no ABI"):
            fetch_binary(abi, url=publisher.url, folder=tmp_path)

    def test_a_folder_that_cannot_be_written(self, publisher, tmp_path):
        (tmp_path / "arm64-v8a").write_text("a file")
        with pytest.raises(DeviceError):
            fetch(publisher, tmp_path)

    def test_unpublished(self, tmp_path):
        with pytest.raises(DeviceError, match=r"riscv64.*only for arm64-v8a"):
            fetch_binary("riscv64", folder=tmp_path)


class TestUse:
    def test_none_yet(self, tmp_path):
        with pytest.raises(DeviceError, match="fbsearch devices setup"):
            binary_for("arm64-v8a", given=None, folder=tmp_path)
        with pytest.raises(DeviceError, match="no published build"):
            binary_for("x86", given=None, folder=tmp_path)

    def test_a_changed_file_is_refused(self, publisher, tmp_path):
        binary = fetch(publisher, tmp_path)
        binary.path.write_bytes(publisher.content + b"!")
        with pytest.raises(DeviceError, match=f"{sha256(publisher.content + b'!')}.*{binary.sha256}"):
            binary_for("arm64-v8a", given=None, folder=tmp_path)

    @pytest.mark.parametrize("pin", ["", "[]", "{", '{"url": "x"}', "\0", '{"sha256": 5}'])
    def test_a_damaged_pin(self, publisher, tmp_path, pin):
        binary = fetch(publisher, tmp_path)
        (binary.path.parent / "benchmark_model.json").write_text(pin)
        with pytest.raises(DeviceError, match="pin"):
            binary_for("arm64-v8a", given=None, folder=tmp_path)
        (binary.path.parent / "benchmark_model.json").unlink()
        with pytest.raises(DeviceError, match="No such file"):
            binary_for("arm64-v8a", given=None, folder=tmp_path)

    def test_the_device_file_s_hash(self, publisher, tmp_path):
        binary = fetch(publisher, tmp_path)
        assert binary_for("arm64-v8a", given=None, sha256=binary.sha256, folder=tmp_path) == binary
        with pytest.raises(DeviceError, match=f"{binary.sha256}.*device file.*{'0' * 64}"):
            binary_for("arm64-v8a", given=None, sha256="0" * 64, folder=tmp_path)

    def test_its_folder(self, monkeypatch, tmp_path):
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        assert binaries.binaries_folder().parts[-2:] == ("fbsearch", "benchmark_model")


class TestGiven:
    @pytest.mark.parametrize(
        ("abi", "machine"), [("arm64-v8a", ARM64), ("armeabi-v7a", ARM), ("x86_64", X86_64), ("x86", X86)]
    )
    def test_for_the_phone(self, tmp_path, abi, machine):
        path = tmp_path / "tool"
        path.write_bytes(elf(machine))
        binary = binary_for(abi, given=path)
        assert (binary.sha256, binary.source, binary.path) == (sha256(elf(machine)), "file", path)

    def test_for_another_processor(self, tmp_path):
        path = tmp_path / "tool"
        path.write_bytes(elf(X86_64))
        with pytest.raises(DeviceError, match=r"built for x86_64.*arm64-v8a needs aarch64"):
            binary_for("arm64-v8a", given=path)
        path.write_bytes(elf(ARM64, big_endian=True))
        assert binary_for("arm64-v8a", given=path)

    def test_a_script_runs_anywhere(self, tmp_path):
        path = tmp_path / "tool"
        path.write_bytes(b"#!/usr/bin/env python3\n")
        assert binary_for("arm64-v8a", given=path).size_bytes == 23

    def test_a_pinned_one(self, tmp_path):
        path = tmp_path / "tool"
        path.write_bytes(elf(ARM64))
        assert binary_for("arm64-v8a", given=path, sha256=sha256(elf(ARM64)))
        with pytest.raises(DeviceError, match=f"{sha256(elf(ARM64))}.*{'1' * 64}"):
            binary_for("arm64-v8a", given=path, sha256="1" * 64)

    def test_no_file(self, tmp_path):
        for path in (tmp_path / "absent", tmp_path):
            with pytest.raises(DeviceError, match="no such benchmark binary"):
                binary_for("arm64-v8a", given=path)
