"""Output and exit code of a command, from both forms of the device's shell service.

Shell protocol 2 (Android 7) sends frames ``<BI`` of id and length: 1 is stdout, 2 stderr, 3 the exit
code. Before it, a shell is a bare terminal: it merges both outputs, ends lines in ``\\r\\n`` and tells no
exit code, so that a second command prints it behind a random token, which the first cannot have known.
"""

from __future__ import annotations

import re
import struct

from fbsearch.devices.adb.link.connection import ShellResult
from fbsearch.devices.adb.link.quoting import quote
from fbsearch.devices.adb.link.streams import Reader, Stream
from fbsearch.errors import DeviceError

_FRAME = struct.Struct("<BI")
_STDOUT, _STDERR, _EXIT = 1, 2, 3
_MAX_OUTPUT_BYTES = 64 << 20


def read_frames(stream: Stream) -> ShellResult:
    """The result of a command of shell protocol 2, read up to its exit code.

    Raises:
        EOFError: if the stream ends before the exit code.
        DeviceError: if the output is endless.
    """
    reader = Reader(stream)
    outputs = {_STDOUT: bytearray(), _STDERR: bytearray()}
    total = 0
    while True:
        kind, length = _FRAME.unpack(reader.take(_FRAME.size))
        total += length
        _check_size(total)
        data = reader.take(length)
        if kind == _EXIT and data:
            return ShellResult(_text(outputs[_STDOUT]), _text(outputs[_STDERR]), data[0])
        if kind in outputs:
            outputs[kind] += data


def with_trailer(command: str, token: str) -> str:
    """A shell text that runs ``command`` in a shell of its own, then prints ``token`` and its exit code."""
    return f"sh -c {quote(command)} 2>&1; echo __RC_{token}=$?"


def read_trailer(stream: Stream, token: str) -> ShellResult:
    """The result of a command of :func:`with_trailer`, read to the end of the stream.

    Raises:
        EOFError: if the output ends without the trailer: it was cut off.
        DeviceError: if the output is endless.
    """
    output = bytearray()
    while data := stream.read():
        output += data
        _check_size(len(output))
    trailer = re.search(rb"__RC_" + token.encode() + rb"=(\d{1,3})\r*\n?\Z", output)
    if trailer is None:
        raise EOFError("the device closed the stream before the command's exit code")
    return ShellResult(_text(output[: trailer.start()]), "", int(trailer[1]))


def _text(data: bytes | bytearray) -> str:
    return data.decode("utf-8", errors="replace").replace("\r\n", "\n")


def _check_size(num_bytes: int) -> None:
    if num_bytes > _MAX_OUTPUT_BYTES:
        raise DeviceError(
            f"a command printed more than {_MAX_OUTPUT_BYTES >> 20} MiB on the device; "
            "it was stopped: is it the program that it should be?"
        )
