"""Shell and files over whatever opens services on a device: the one implementation of a connection."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Protocol

from fbsearch.devices.adb.link import shell_service, sync_service
from fbsearch.devices.adb.link.connection import MAX_PULL_BYTES, ShellResult
from fbsearch.devices.adb.link.faults import as_our_errors
from fbsearch.devices.adb.link.leftovers import unmarked
from fbsearch.devices.adb.link.quoting import check_remote, encode, one_line
from fbsearch.devices.adb.link.streams import Deadline, Stream
from fbsearch.errors import ConnectionLostError, ConnectionTimeoutError, DeviceError, UnreadableFileError
from fbsearch.files import MODEL_BYTES, read_bytes

_PROBE_TIMEOUT_S = 10.0
_PREAMBLE = re.compile(
    r"\A(?:cd \S{1,300} (?:2>/dev/null )?&& (?:\{ )?)?"
    r"(?:sh -c '[^']{0,300}?exec (?:taskset \w{1,64} )?)?(?:\./)?"
)


class ServiceLink(Protocol):
    """A device on which named services can be opened."""

    @property
    def serial(self) -> str:
        """As ``adb devices`` shows it; over TCP ``host:port``."""
        ...

    @property
    def transport(self) -> str:
        """``usb``, ``tcp`` or ``server``."""
        ...

    @property
    def features(self) -> frozenset[str]:
        """What the device's daemon says that it can do, such as ``shell_v2``."""
        ...

    @property
    def max_service_bytes(self) -> int:
        """How long a service's name, a shell command included, may be."""
        ...

    def open(self, service: bytes, deadline: Deadline) -> Stream:
        """Start a service.

        Raises:
            Exception: what :func:`~fbsearch.devices.adb.link.faults.translate` takes.
        """
        ...

    def close(self) -> None:
        """End the link."""
        ...


class ServiceConnection:
    """A :class:`~fbsearch.devices.adb.link.connection.Connection` over a link.

    Args:
        link: opens services on the device.
        probe_timeout_s: how long a device may take to show that it is alive after a command timed out.
    """

    def __init__(self, link: ServiceLink, *, probe_timeout_s: float = _PROBE_TIMEOUT_S) -> None:
        self._link = link
        self._probe_timeout_s = probe_timeout_s

    @property
    def serial(self) -> str:
        """The device's name as ``adb devices`` shows it; over TCP ``host:port``."""
        return self._link.serial

    @property
    def transport(self) -> str:
        """``usb``, ``tcp`` or ``server``."""
        return self._link.transport

    def shell(self, command: str, *, timeout_s: float) -> ShellResult:
        """Run a shell command; see :class:`~fbsearch.devices.adb.link.connection.Connection`."""
        word = _program(command)
        encode(command)
        with as_our_errors(self.serial, f"running {word}"):
            try:
                return self._run(command, Deadline(timeout_s))
            except TimeoutError:
                pass
        if self._answers():
            raise ConnectionTimeoutError(
                f"{word} did not end within {timeout_s:g} s on device {self.serial!r}, which otherwise "
                "answers; it was hung up on: does it work when started by hand (adb shell)?"
            )
        self._link.close()
        raise ConnectionLostError(f"device {self.serial!r} fell silent (running {word}, {timeout_s:g} s)")

    def push(self, content: Path | bytes, remote: str, *, mode: int = 0o644, timeout_s: float = 120) -> None:
        """Write a file on the device; see :class:`~fbsearch.devices.adb.link.connection.Connection`."""
        path = check_remote(remote)
        data = content if isinstance(content, bytes) else _read(content)
        deadline = Deadline(timeout_s)
        with as_our_errors(self.serial, f"pushing {one_line(remote)}"):
            stream = self._link.open(b"sync:", deadline)
            try:
                sync_service.send_file(stream, data, path, mode)
            finally:
                stream.close()
            stream = self._link.open(b"sync:", deadline)
            try:
                size = sync_service.file_size(stream, path)
            finally:
                stream.close()
        if size != len(data):
            raise ConnectionLostError(
                f"{one_line(remote)} arrived on device {self.serial!r} with {size or 0} of {len(data)} "
                "bytes; pushed again, it may arrive whole; else check the free space there"
            )

    def pull(self, remote: str, *, max_bytes: int = MAX_PULL_BYTES, timeout_s: float = 60) -> bytes:
        """The content of a file there; see :class:`~fbsearch.devices.adb.link.connection.Connection`."""
        path = check_remote(remote)
        with as_our_errors(self.serial, f"pulling {one_line(remote)}"):
            stream = self._link.open(b"sync:", Deadline(timeout_s))
            try:
                return sync_service.receive_file(stream, path, max_bytes=max_bytes)
            finally:
                stream.close()

    def close(self) -> None:
        """End the connection; it is of no use afterwards."""
        self._link.close()

    def _run(self, command: str, deadline: Deadline) -> ShellResult:
        has_frames = "shell_v2" in self._link.features
        token = secrets.token_hex(8)
        text = command if has_frames else shell_service.with_trailer(command, token)
        service = (b"shell,v2,raw:" if has_frames else b"shell:") + encode(text)
        if len(service) >= self._link.max_service_bytes:
            raise DeviceError(
                f"a command of {len(service)} bytes is too long for device {self.serial!r}, which takes "
                f"{self._link.max_service_bytes}; push it as a script"
            )
        stream = self._link.open(service, deadline)
        try:
            if has_frames:
                return shell_service.read_frames(stream)
            return shell_service.read_trailer(stream, token)
        finally:
            stream.close()

    def _answers(self) -> bool:
        """Whether the device still runs commands, after one timed out."""
        try:
            with as_our_errors(self.serial, "asking for a sign of life"):
                return self._run("echo alive", Deadline(self._probe_timeout_s)).stdout.strip() == "alive"
        except DeviceError:
            return False


def _program(command: str) -> str:
    """What a command runs, for messages: its first word past those that only lead to it."""
    words = _PREAMBLE.sub("", unmarked(command), count=1).split(maxsplit=1)
    if words and "=" in words[0]:
        return "a script"
    return ascii(words[0][:80]).strip("'") if words else "an empty command"


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, most_bytes=MODEL_BYTES)
    except UnreadableFileError as error:
        raise DeviceError(f"{path}: cannot read the file to push: {error}") from None
