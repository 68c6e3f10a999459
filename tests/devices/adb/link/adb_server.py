"""A real adb server for a test, on a port and with keys of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fbsearch.devices.adb.link.server import list_server

needs_adb = pytest.mark.skipif(shutil.which("adb") is None, reason="needs the adb client: apt install adb")


@dataclass(frozen=True)
class AdbServer:
    """A running server.

    Args:
        port: its TCP port.
        environment: of its clients.
    """

    port: int
    environment: dict[str, str]

    def adb(self, *arguments: str) -> str:
        """What the official client prints."""
        run = subprocess.run(
            ["adb", "-P", str(self.port), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return run.stdout + run.stderr

    def wait_for(self, serial: str, state: str | None, *, timeout_s: float = 15) -> None:
        """Wait until the server lists a device in a state; None waits until it is gone."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            states = [
                device.state
                for device in list_server("127.0.0.1", self.port) or []
                if device.serial == serial
            ]
            if states == ([state] if state else []):
                return
            time.sleep(0.1)
        raise TimeoutError(f"the server has {serial} as {states}, not {state}")


@contextlib.contextmanager
def adb_server(home: Path) -> Iterator[AdbServer]:
    """Start a server whose keys lie in ``home``."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}
    process = subprocess.Popen(
        ["adb", "-P", str(port), "nodaemon", "server"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 15
        while list_server("127.0.0.1", port) is None:
            if time.monotonic() > end or process.poll() is not None:
                raise TimeoutError("the adb server did not start")
            time.sleep(0.05)
        yield AdbServer(port, environment)
    finally:
        process.terminate()
        process.wait(timeout=10)
