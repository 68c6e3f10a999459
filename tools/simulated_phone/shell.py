"""ADB's shell services: real ``sh -c`` in the sandbox, plain or in the frames of shell v2."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import struct
import subprocess
import threading
from typing import IO

from tools.simulated_phone.faults import LINK_FAULTS
from tools.simulated_phone.link import Stream
from tools.simulated_phone.sandbox import OutputFilter
from tools.simulated_phone.system import PhoneSystem
from tools.simulated_phone.wire import LinkClosedError

_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)
_FRAME = struct.Struct("<BI")
_CHUNK = 32768
# What the host's shell says, and what Android's says instead.
_ANDROID_SHELL = (
    (re.compile(rb"(/system/bin/sh: )\d+: "), rb"\1"),
    (re.compile(rb"(/system/bin/sh: .*?): not found\b"), rb"\1: inaccessible or not found"),
    (
        re.compile(rb"(/system/bin/sh: [^:\n]*): Permission denied\b"),
        rb"\1: can't execute: Permission denied",
    ),
)
_FULL = re.compile(rb"File too large|I/O error|File size limit exceeded")


def _hear_hang_ups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class ShellService:
    """Serves one ``shell:`` or ``exec:`` stream.

    Args:
        phone: whose shell it is.
        stream: to the host.
        command: what to run; empty reads commands from the host.
        has_frames: shell v2: stdout and stderr apart, and the exit code at the end.
        is_terminal: a service that old hosts expect to be a terminal.
    """

    def __init__(
        self, phone: PhoneSystem, stream: Stream, command: str, *, has_frames: bool, is_terminal: bool
    ) -> None:
        self._phone = phone
        self._stream = stream
        self._command = command
        self._has_frames = has_frames
        self._ends_with_crlf = is_terminal and phone.profile.is_terminal_cooked

    def serve(self) -> None:
        """Run the command to its end, or until the host hangs up."""
        phone = self._phone
        phone.events.append("shell", command=self._command)
        faults = phone.faults.take("shell")
        is_full = any(fault.kind == "disk_full" for fault in faults)
        process = ShellProcess(phone, self._command, merged=not self._has_frames, is_disk_full=is_full)
        feeder = threading.Thread(target=self._feed, args=(process,), daemon=True)
        feeder.start()
        try:
            for fault in faults:
                phone.strike(fault, self._stream.link)
            if any(fault.kind in LINK_FAULTS and fault.kind != "silent" for fault in faults):
                raise LinkClosedError("the connection broke")
            self._pump(process, is_full=is_full)
            code = process.wait()
            phone.events.append("shell_ended", command=self._command, exit_code=code)
            if self._has_frames:
                self._stream.send(_FRAME.pack(_EXIT, 1) + bytes([code]))
        finally:
            process.hang_up(everything=not self._has_frames)
            process.close()

    def _pump(self, process: ShellProcess, *, is_full: bool) -> None:
        outputs = {process.stdout: _STDOUT, process.stderr: _STDERR}
        with selectors.DefaultSelector() as selector:
            for file, kind in outputs.items():
                if file is not None:
                    spoken = _Spoken(self._phone, is_full=is_full)
                    selector.register(file, selectors.EVENT_READ, (kind, spoken))
            while selector.get_map():
                has_ended = process.has_ended
                ready = selector.select(timeout=0.2)
                if has_ended and not ready and not self._has_frames:
                    return  # a terminal goes with its shell, though others may still hold it
                for key, _ in ready:
                    kind, spoken = key.data
                    data = os.read(key.fd, _CHUNK)
                    self._send(kind, spoken(data) if data else spoken.rest())
                    if not data:
                        selector.unregister(key.fileobj)
                if self._stream.is_closed:
                    raise LinkClosedError("the host closed the shell")

    def _send(self, kind: int, data: bytes) -> None:
        if self._ends_with_crlf:
            data = data.replace(b"\n", b"\r\n")
        if data:
            self._stream.send(_FRAME.pack(kind, len(data)) + data if self._has_frames else data)

    def _feed(self, process: ShellProcess) -> None:
        """Hand what the host sends to the process; shell v2 wraps it in frames."""
        arrived = bytearray()
        while data := self._stream.receive():
            if not self._has_frames:
                process.feed(data)
                continue
            arrived += data
            while len(arrived) >= _FRAME.size:
                kind, length = _FRAME.unpack_from(arrived)
                if len(arrived) < _FRAME.size + length:
                    break
                if kind == _STDIN:
                    process.feed(bytes(arrived[_FRAME.size : _FRAME.size + length]))
                elif kind == _CLOSE_STDIN:
                    process.end_input()
                del arrived[: _FRAME.size + length]
        process.end_input()
        process.hang_up(everything=not self._has_frames)


class ShellProcess:
    """One ``sh`` in the sandbox, in a session of its own."""

    def __init__(self, phone: PhoneSystem, command: str, *, merged: bool, is_disk_full: bool = False) -> None:
        self._phone = phone
        mapped = phone.sandbox.map_command(command)
        if is_disk_full:
            # No file may grow: writing fails as on a full disk, with another message, which is replaced.
            mapped = f"trap '' XFSZ; ulimit -f 0; {mapped}"
        self._is_interactive = not command
        arguments = [phone.profile.shell, "-c", mapped] if command else [phone.profile.shell]
        self._process = phone.confined.run(
            lambda: subprocess.Popen(
                arguments,
                executable="/bin/sh",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if merged else subprocess.PIPE,
                cwd=phone.sandbox.root,
                env=phone.environment(),
                start_new_session=True,
                bufsize=0,
                # Started under nohup, the phone would hand down its deafness to hang-ups.
                preexec_fn=_hear_hang_ups if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else None,
            )
        )
        phone.processes.add(self)

    @property
    def stdout(self) -> IO[bytes] | None:
        return self._process.stdout

    @property
    def stderr(self) -> IO[bytes] | None:
        return self._process.stderr

    @property
    def has_ended(self) -> bool:
        """Whether the shell itself is done."""
        return self._process.poll() is not None

    def feed(self, data: bytes) -> None:
        """Write to its standard input; what it does not read is lost with it."""
        if self._is_interactive:
            text = data.decode("utf-8", errors="surrogateescape")
            data = self._phone.sandbox.map_command(text).encode("utf-8", errors="surrogateescape")
        if self._process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                self._process.stdin.write(data)

    def end_input(self) -> None:
        """Close its standard input."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def wait(self) -> int:
        """Its exit code as a shell tells it: 128 and the signal's number where one ended it."""
        code = self._process.wait()
        return code & 0xFF if code >= 0 else 128 - code

    def hang_up(self, *, everything: bool) -> None:
        """SIGHUP, as when the host goes.

        A terminal hangs up on everything in the session. Without one, adbd signals only the shell itself:
        what the shell started lives on.
        """
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                (os.killpg if everything else os.kill)(self._process.pid, signal.SIGHUP)

    def kill(self) -> None:
        """SIGKILL for the whole session, as when the phone reboots."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Close the pipes; the process may live on."""
        self._phone.processes.discard(self)
        for file in (self._process.stdin, self._process.stdout, self._process.stderr):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=0.2)


class _Spoken:
    """Output of the host's tools, said as the phone's would say it."""

    def __init__(self, phone: PhoneSystem, *, is_full: bool) -> None:
        self._filter: OutputFilter = phone.sandbox.output_filter()
        self._is_android = phone.profile.is_android
        self._is_full = is_full
        self._held = b""

    def __call__(self, data: bytes) -> bytes:
        text = self._held + self._filter(data)
        self._held = b""
        if self._is_android:
            # The host's shell writes a message in pieces; it is reworded as a whole.
            start = text.rfind(b"\n") + 1
            if text.startswith(b"/system/bin/sh: ", start):
                text, self._held = text[:start], text[start:]
        return self._said(text)

    def rest(self) -> bytes:
        text, self._held = self._held + self._filter.rest(), b""
        return self._said(text)

    def _said(self, text: bytes) -> bytes:
        if self._is_android and b"/system/bin/sh: " in text:
            for pattern, replacement in _ANDROID_SHELL:
                text = pattern.sub(replacement, text)
        return _FULL.sub(b"No space left on device", text) if self._is_full else text
