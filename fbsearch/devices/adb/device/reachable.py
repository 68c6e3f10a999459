"""A phone by its definition: where it is, connected while somebody needs it, asked about itself once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from fbsearch.devices.adb.link.connecting import connect
from fbsearch.devices.adb.link.connection import AdbAddress
from fbsearch.devices.adb.link.reconnecting import ReconnectingConnection
from fbsearch.devices.adb.phone.lock import phone_lock
from fbsearch.devices.adb.phone.phone import Phone
from fbsearch.devices.adb.readings import PhoneReadings
from fbsearch.devices.definition import ADB_PORT, SERVER_PORT, AdbDefinition, split_address


class ReachablePhone:
    """A phone that can be connected to, shared by the device and its runners.

    Args:
        definition: how to reach it.
        notify: told, a line each, what a person should know or do meanwhile.
    """

    def __init__(self, definition: AdbDefinition, *, notify: Callable[[str], None]) -> None:
        self._definition = definition
        self._notify = notify
        self._readings: PhoneReadings | None = None
        self._connection: ReconnectingConnection | None = None

    @property
    def name(self) -> str:
        """The definition's name."""
        return self._definition.name

    @property
    def definition(self) -> AdbDefinition:
        """How it is reached, and what is used there where nobody says otherwise."""
        return self._definition

    @contextmanager
    def connected(self, *, exclusively: bool = False) -> Iterator[Phone]:
        """The phone, connected within; a connection that is open already is shared.

        Args:
            exclusively: keep other processes of this computer from measuring there meanwhile.

        Raises:
            DeviceError: if it cannot be reached, or another process measures there.
        """
        with ExitStack() as stack:
            if self._connection is None:
                address = address_of(self._definition)
                self._connection = ReconnectingConnection(
                    lambda: connect(address, notify=self._notify), notify=self._notify
                )
                stack.callback(self._disconnect)
            if exclusively:
                stack.enter_context(phone_lock(self._connection.serial, self.name))
            yield Phone(self._connection, folder=self._definition.folder)

    def on_reconnected(self, call: Callable[[Phone], None]) -> None:
        """Have ``call`` run with the phone whenever the present connection has come back."""
        assert self._connection is not None
        folder = self._definition.folder
        self._connection.on_reconnected(lambda connection: call(Phone(connection, folder=folder)))

    def readings(self) -> PhoneReadings:
        """Everything the phone tells about itself, read once.

        Raises:
            DeviceError: if it cannot be reached.
        """
        return self._readings or self.read_again()

    def read_again(self) -> PhoneReadings:
        """Everything the phone tells about itself, read now.

        Raises:
            DeviceError: if it cannot be reached.
        """
        self._readings = None
        with self.connected() as phone:
            self._readings = phone.readings()
        return self._readings

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def address_of(definition: AdbDefinition) -> AdbAddress:
    """Where a definition says that its phone is."""
    host, port = (None, ADB_PORT)
    if definition.address is not None:
        host, port = split_address(definition.address, ADB_PORT)
    server_host, server_port = split_address(definition.server, SERVER_PORT)
    key = definition.adb_key
    return AdbAddress(
        serial=definition.serial,
        host=host,
        port=port,
        transport=definition.transport,
        server_host=server_host,
        server_port=server_port,
        key=key.expanduser() if key else None,
    )
