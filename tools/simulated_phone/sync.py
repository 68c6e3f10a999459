"""ADB's file transfer: ``sync:`` requests and answers, within the bytes of one stream."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

from tools.simulated_phone.faults import LINK_FAULTS, Fault
from tools.simulated_phone.link import Stream
from tools.simulated_phone.system import PhoneSystem
from tools.simulated_phone.wire import LinkClosedError

_MAX_CHUNK = 65536
_MAX_PATH = 1024
_REQUEST = struct.Struct("<4sI")
_STAT_V2 = struct.Struct("<4sIQQIIIIQqqq")


class SyncService:
    """Serves one ``sync:`` stream."""

    def __init__(self, phone: PhoneSystem, stream: Stream) -> None:
        self._phone = phone
        self._stream = stream
        self._arrived = bytearray()

    def serve(self) -> None:
        """Answer requests until QUIT, or until a request is malformed."""
        answers: dict[bytes, Callable[[str], None]] = {
            b"STAT": self._stat,
            b"LIST": self._list,
            b"SEND": self._send,
            b"RECV": self._receive,
        }
        if "stat_v2" in self._phone.profile.features:
            answers[b"STA2"] = lambda path: self._stat_v2(b"STA2", path, follow=True)
            answers[b"LST2"] = lambda path: self._stat_v2(b"LST2", path, follow=False)
        if "ls_v2" in self._phone.profile.features:
            answers[b"LIS2"] = self._list_v2
        while True:
            name, length = _REQUEST.unpack(self._take(_REQUEST.size))
            if name == b"QUIT":
                return
            if length > _MAX_PATH:
                self._fail("path too long")
                return
            path = self._take(length).decode("utf-8", errors="surrogateescape")
            if name not in answers:
                self._fail(f"unknown command {name.hex()}")
                return
            answers[name](path)

    def _take(self, count: int) -> bytes:
        while len(self._arrived) < count:
            data = self._stream.receive()
            if not data:
                raise LinkClosedError("the host ended the sync stream")
            self._arrived += data
        taken = bytes(self._arrived[:count])
        del self._arrived[:count]
        return taken

    def _fail(self, message: str) -> None:
        text = message.encode()
        self._stream.send(_REQUEST.pack(b"FAIL", len(text)) + text)

    def _host(self, path: str) -> Path:
        return self._phone.sandbox.to_host(path)

    def _stat(self, path: str) -> None:
        mode, size, mtime = _short_stat(self._host(path))
        self._stream.send(struct.pack("<4sIII", b"STAT", mode, size, mtime))

    def _stat_v2(self, name: bytes, path: str, *, follow: bool) -> None:
        self._stream.send(_long_stat(name, self._host(path), follow=follow))

    def _list(self, path: str) -> None:
        answer = b""
        for name, host in _entries(self._host(path)):
            answer += struct.pack("<4sIIII", b"DENT", *_short_stat(host), len(name)) + name
        self._stream.send(answer + struct.pack("<4sIIII", b"DONE", 0, 0, 0, 0))

    def _list_v2(self, path: str) -> None:
        answer = b""
        for name, host in _entries(self._host(path)):
            answer += _long_stat(b"DNT2", host, follow=False) + struct.pack("<I", len(name)) + name
        self._stream.send(answer + b"DONE" + bytes(_STAT_V2.size - 4 + 4))

    def _receive(self, path: str) -> None:
        faults = self._phone.faults.take("pull")
        try:
            file = self._host(path).open("rb")
        except OSError as error:
            self._fail(f"open failed: {os.strerror(error.errno or 0)}")
            return
        with file:
            self._phone.events.append("pull", path=path, bytes=os.fstat(file.fileno()).st_size)
            chunk = file.read(_MAX_CHUNK)
            if faults:
                self._stream.send(_REQUEST.pack(b"DATA", len(chunk)) + chunk[: len(chunk) // 2])
                self._strike(faults)
                self._stream.send(chunk[len(chunk) // 2 :])
                chunk = file.read(_MAX_CHUNK)
            while chunk:
                self._stream.send(_REQUEST.pack(b"DATA", len(chunk)) + chunk)
                chunk = file.read(_MAX_CHUNK)
        self._stream.send(_REQUEST.pack(b"DONE", 0))

    def _send(self, path_and_mode: str) -> None:
        path, comma, mode_text = path_and_mode.rpartition(",")
        if not comma or not mode_text.isdigit():
            self._fail(f"missing mode in {path_and_mode!r}")
            return
        faults = self._phone.faults.take("push")
        file = _IncomingFile(self._phone, path, int(mode_text))
        failure = file.open()
        has_failed = False
        while True:
            if failure and not has_failed:
                self._fail(failure)  # the rest is read and thrown away until the host notices
                has_failed = True
            name, length = _REQUEST.unpack(self._take(_REQUEST.size))
            if name == b"DONE":
                break
            if name != b"DATA" or length > _MAX_CHUNK:
                self._fail("invalid data message")
                raise LinkClosedError(f"sync: {name!r} of {length} bytes within a file")
            data = self._take(length)
            kinds = {fault.kind for fault in faults}
            if "disk_full" in kinds:
                data, failure = b"", self._phone.disk_full_text()
            elif "short_push" in kinds:
                data = data[: len(data) // 2]
            if not has_failed:
                file.write(data)
            self._strike(faults)
            faults = []
        file.close()
        if not has_failed:
            self._phone.events.append("push", path=path, bytes=file.num_bytes)
            self._stream.send(_REQUEST.pack(b"OKAY", 0))

    def _strike(self, faults: list[Fault]) -> None:
        for fault in faults:
            self._phone.strike(fault, self._stream.link)
        if any(fault.kind in LINK_FAULTS and fault.kind != "silent" for fault in faults):
            raise LinkClosedError("the connection broke")


class _IncomingFile:
    """A file that is being pushed."""

    def __init__(self, phone: PhoneSystem, path: str, mode: int) -> None:
        self._phone = phone
        self._path = path
        self._mode = mode
        self.num_bytes = 0

    def open(self) -> str:
        """Create the file and the folders above it; what went wrong, or nothing."""
        if not self._phone.sandbox.is_writable(self._path):
            return f"couldn't create file: {os.strerror(13)}"
        host = self._phone.sandbox.to_host(self._path)
        try:
            host.parent.mkdir(parents=True, exist_ok=True)
            if host.is_file():
                host.unlink()  # as adbd does: a program that runs from it keeps its own
            self._out = host.open("wb")
        except OSError as error:
            return f"couldn't create file: {os.strerror(error.errno or 0)}"
        self._host = host
        return ""

    def write(self, data: bytes) -> None:
        self._out.write(data)
        self._out.flush()
        self.num_bytes += len(data)

    def close(self) -> None:
        """Close, and give group and others what the user may."""
        if not hasattr(self, "_out"):
            return
        self._out.close()
        user = self._mode & 0o700
        self._host.chmod(user | user >> 3 | user >> 6)


def _short_stat(host: Path) -> tuple[int, int, int]:
    try:
        found = host.lstat()
    except OSError:
        return 0, 0, 0
    return found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime)


def _long_stat(name: bytes, host: Path, *, follow: bool) -> bytes:
    try:
        found = host.stat() if follow else host.lstat()
    except OSError as error:
        return _STAT_V2.pack(name, error.errno or 2, *([0] * 10))
    times = (int(found.st_atime), int(found.st_mtime), int(found.st_ctime))
    owner = (2000, 2000)
    return _STAT_V2.pack(
        name, 0, found.st_dev, found.st_ino, found.st_mode, found.st_nlink, *owner, found.st_size, *times
    )


def _entries(folder: Path) -> list[tuple[bytes, Path]]:
    if not stat.S_ISDIR(_short_stat(folder)[0]):
        return []
    names = [".", "..", *sorted(entry.name for entry in folder.iterdir())]
    return [(os.fsencode(name), folder / name) for name in names]
