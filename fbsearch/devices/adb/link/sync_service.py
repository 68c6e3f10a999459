"""Files to and from the device: the ``sync:`` service, over any stream.

Requests are ``id, u32 length, path``. A file goes up as DATA pieces of at most 64 KiB between SEND and
DONE, and is answered with OKAY or with FAIL and a reason, which may come before the last piece was sent.
"""

from __future__ import annotations

import struct
import time

from fbsearch.devices.adb.link.quoting import one_line
from fbsearch.devices.adb.link.streams import Reader, Stream

_HEAD = struct.Struct("<4sI")
_STAT = struct.Struct("<4sIII")
_PIECE = 64 * 1024
_MAX_PIECE = 1 << 20
_MAX_REASON = 64 * 1024


class SyncFailure(Exception):
    """The device answered FAIL: the text is its reason."""


class SyncGarbage(Exception):
    """The device answered something that is no part of the protocol."""


class SyncTooLarge(Exception):
    """A file on the device does not end where it should: the text is what was allowed."""


def send_file(stream: Stream, content: bytes, remote: bytes, mode: int) -> None:
    """Write a file on the device and wait for its answer.

    Raises:
        SyncFailure: if the device refuses it, at whatever moment.
    """
    reader = Reader(stream)
    try:
        target = remote + f",{0o100000 | mode}".encode()
        stream.write(_HEAD.pack(b"SEND", len(target)) + target)
        for start in range(0, len(content), _PIECE):
            if reader.poll():
                _expect_okay(reader)
                raise SyncGarbage("OKAY before the end of the file")
            piece = content[start : start + _PIECE]
            stream.write(_HEAD.pack(b"DATA", len(piece)) + piece)
        stream.write(_HEAD.pack(b"DONE", int(time.time())))
    except (EOFError, OSError):
        if reader.poll():
            _expect_okay(
                reader
            )  # the reason arrived just before the device closed the stream or stopped reading
        raise
    _expect_okay(reader)


def receive_file(stream: Stream, remote: bytes, *, max_bytes: int) -> bytes:
    """The content of a file on the device.

    Raises:
        SyncFailure: if the device cannot read it.
        SyncTooLarge: if it holds more than ``max_bytes``, which are read at most.
    """
    reader = Reader(stream)
    stream.write(_HEAD.pack(b"RECV", len(remote)) + remote)
    content = bytearray()
    while True:
        kind, length = _HEAD.unpack(reader.take(_HEAD.size))
        if kind == b"DONE":
            return bytes(content)
        if kind == b"FAIL":
            raise SyncFailure(_reason(reader, length))
        if kind != b"DATA" or length > _MAX_PIECE:
            raise SyncGarbage(f"{kind!r} with {length} bytes instead of file data")
        if len(content) + length > max_bytes:
            raise SyncTooLarge(f"{max_bytes} bytes")
        content += reader.take(length)


def file_size(stream: Stream, remote: bytes) -> int | None:
    """A file's size in bytes on the device; None where there is no such file."""
    reader = Reader(stream)
    stream.write(_HEAD.pack(b"STAT", len(remote)) + remote)
    kind, mode, size, _ = _STAT.unpack(reader.take(_STAT.size))
    if kind != b"STAT":
        raise SyncGarbage(f"{kind!r} instead of a file's size")
    return int(size) if mode else None


def _expect_okay(reader: Reader) -> None:
    kind, length = _HEAD.unpack(reader.take(_HEAD.size))
    if kind == b"FAIL":
        raise SyncFailure(_reason(reader, length))
    if kind != b"OKAY":
        raise SyncGarbage(f"{kind!r} instead of OKAY or FAIL")


def _reason(reader: Reader, length: int) -> str:
    text = reader.take(min(length, _MAX_REASON)).decode("utf-8", errors="replace")
    return one_line(text) or "no reason given"
