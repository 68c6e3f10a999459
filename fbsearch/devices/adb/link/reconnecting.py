"""A connection that outlives cables, reboots and restarts of the daemon."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fbsearch.devices.adb.link.connection import MAX_PULL_BYTES, Connection, ShellResult
from fbsearch.devices.adb.link.leftovers import ending, marked
from fbsearch.errors import (
    ConnectionLostError,
    ConnectionTimeoutError,
    DeviceError,
    DeviceUnavailableError,
)

_LOGGER = logging.getLogger(__name__)
_FIRST_DELAY_S = 1.0
_MAX_DELAY_S = 15.0
_END_TIMEOUT_S = 20.0
_Result = TypeVar("_Result")


class ReconnectingConnection:
    """A connection that reconnects and repeats what a lost link cut off.

    A call is repeated, so every command must be one that may run twice; what is left of the first is killed
    before. What is not transient (an unauthorised computer, a hanging command, a full disk) passes through.

    Args:
        factory: opens a fresh connection.
        notify: told, a line each, what happened and how long it will be waited for.
        patience_s: how long the device may stay away.
        max_failures: so many times in a row one call may lose the link.
        sleep: waits some seconds.
        clock: monotonic seconds.

    Raises:
        DeviceError: if the first connection fails.
    """

    def __init__(
        self,
        factory: Callable[[], Connection],
        *,
        notify: Callable[[str], None] = _LOGGER.warning,
        patience_s: float = 180,
        max_failures: int = 5,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._factory = factory
        self._notify = notify
        self._patience_s = patience_s
        self._max_failures = max_failures
        self._sleep = sleep
        self._clock = clock
        self._mark = secrets.token_hex(8)
        self._hooks: list[Callable[[Connection], None]] = []
        self._connection: Connection | None = factory()
        self._serial = self._connection.serial
        self._transport = self._connection.transport

    @property
    def serial(self) -> str:
        """The device's serial."""
        return self._serial

    @property
    def transport(self) -> str:
        """What carried the last connection."""
        return self._transport

    def on_reconnected(self, hook: Callable[[Connection], None]) -> None:
        """Have ``hook`` called with every later connection before anything else runs on it."""
        self._hooks.append(hook)

    def shell(self, command: str, *, timeout_s: float) -> ShellResult:
        """Run a shell command, again where the link was lost; one that hangs is killed on the device."""
        text = marked(command, self._mark)
        try:
            return self._repeat(lambda connection: connection.shell(text, timeout_s=timeout_s))
        except ConnectionTimeoutError:
            with contextlib.suppress(ConnectionLostError):  # which the next call meets too
                if self._connection is not None:
                    self._end_leftovers(self._connection)
            raise

    def push(self, content: Path | bytes, remote: str, *, mode: int = 0o644, timeout_s: float = 120) -> None:
        """Write a file on the device, again where the link was lost."""
        self._repeat(lambda connection: connection.push(content, remote, mode=mode, timeout_s=timeout_s))

    def pull(self, remote: str, *, max_bytes: int = MAX_PULL_BYTES, timeout_s: float = 60) -> bytes:
        """The content of a file on the device, read again where the link was lost."""
        return self._repeat(
            lambda connection: connection.pull(remote, max_bytes=max_bytes, timeout_s=timeout_s)
        )

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _repeat(self, call: Callable[[Connection], _Result]) -> _Result:
        failures = 0
        while True:
            if self._connection is None:
                raise ConnectionLostError(
                    f"the connection to device {self._serial!r} is closed or was given up"
                )
            try:
                return call(self._connection)
            except ConnectionLostError as error:
                failures += 1
                if failures >= self._max_failures:
                    raise ConnectionLostError(
                        f"{error}; gave up after {failures} failures in a row; check the cable, run again"
                    ) from error
                self._wait_until_back(error)

    def _wait_until_back(self, cause: ConnectionLostError) -> None:
        """Reconnect; the cause stays the connection's state where that does not succeed."""
        self._drop()
        self._notify(f"{cause}; connecting again for up to {self._patience_s:g} s")
        start = self._clock()
        delay = _FIRST_DELAY_S
        while True:
            self._sleep(delay)
            waited = self._clock() - start
            try:
                self._reconnect()
                self._notify(f"device {self._serial!r} is back after {waited:.0f} s")
                return
            except (ConnectionLostError, DeviceUnavailableError) as error:
                if isinstance(error, DeviceUnavailableError) and not error.may_return:
                    raise
                if waited >= self._patience_s:
                    raise ConnectionLostError(
                        f"device {self._serial!r} did not come back within {self._patience_s:g} s: {error}"
                    ) from error
            delay = min(2 * delay, _MAX_DELAY_S)

    def _reconnect(self) -> None:
        connection = self._factory()
        try:
            self._end_leftovers(connection)
            for hook in self._hooks:
                hook(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._serial, self._transport = connection.serial, connection.transport

    def _end_leftovers(self, connection: Connection) -> None:
        """Kill what a call has left running; where that fails on a sound link, it was worth a try."""
        try:
            connection.shell(ending(self._mark), timeout_s=_END_TIMEOUT_S)
        except ConnectionLostError:
            raise
        except DeviceError as error:
            _LOGGER.warning(
                "device %r: what is left of the last command may still run: %s", self._serial, error
            )

    def _drop(self) -> None:
        """Close what is left of the lost connection, which may well fail."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except DeviceError as error:
                _LOGGER.debug("closing a lost connection: %s", error)
