"""libusb as far as our code asks it, its devices being simulated phones on TCP or nothing at all."""

from __future__ import annotations

import socket
import sys
from types import SimpleNamespace

import pytest
from adb_shell.exceptions import UsbReadFailedError, UsbWriteFailedError
from adb_shell.transport.base_transport import BaseTransport

from fbsearch.devices.adb.link import direct


class USBErrorAccess(Exception):
    pass


class USBErrorBusy(Exception):
    pass


class USBErrorNoDevice(Exception):
    pass


class USBErrorTimeout(Exception):
    pass


class FakeDevice:
    """A USB device.

    Args:
        serial: None is a device whose serial cannot be read.
        tcp_port: where its adbd listens.
        problem: what opening it ends with.
        claim: what claiming its interface ends with.
        is_adb: whether it has an ADB interface.
    """

    def __init__(
        self,
        serial: str,
        *,
        ports: tuple[int, ...] = (2,),
        tcp_port: int = 0,
        problem: Exception | None = None,
        claim: Exception | None = None,
        is_adb: bool = True,
    ) -> None:
        self.serial, self.ports, self.tcp_port = serial, ports, tcp_port
        self.problem, self.claim, self.is_adb = problem, claim, is_adb

    def getSerialNumber(self) -> str:
        if self.problem is not None:
            raise self.problem
        return self.serial

    def getProduct(self) -> str:
        return "Fake phone"

    def getBusNumber(self) -> int:
        return 1

    def getPortNumberList(self) -> list[int]:
        return list(self.ports)

    def iterSettings(self) -> list[SimpleNamespace]:
        kind = 0xFF if self.is_adb else 0x08
        return [
            SimpleNamespace(getClass=lambda: kind, getSubClass=lambda: 0x42, getProtocol=lambda: 1),
        ]


class FakeUsbTransport(BaseTransport):
    """Bulk transfers over a socket, with libusb's errors and its rules on packets."""

    def __init__(self, device: FakeDevice, setting: object, usb_info: str) -> None:
        self._device = device
        self._link: socket.socket | None = None

    def connect(self, transport_timeout_s: float) -> None:
        if self._device.claim is not None:
            raise self._device.claim
        try:
            self._link = socket.create_connection(("127.0.0.1", self._device.tcp_port), timeout=5)
        except OSError:
            raise USBErrorNoDevice from None

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def bulk_read(self, numbytes: int, transport_timeout_s: float) -> bytes:
        if self._link is None:
            raise UsbReadFailedError("closed", None)
        self._link.settimeout(transport_timeout_s)
        try:
            data = self._link.recv(numbytes)
        except TimeoutError:
            raise UsbReadFailedError("timeout", USBErrorTimeout()) from None
        except OSError:
            raise UsbReadFailedError("gone", USBErrorNoDevice()) from None
        if not data:
            raise UsbReadFailedError("gone", USBErrorNoDevice())
        return data

    def bulk_write(self, data: bytes, transport_timeout_s: float) -> int:
        assert self._link is not None
        assert len(data) % 512, "a transfer that would need an empty packet after it"
        sent = data[:10_000]
        try:
            self._link.sendall(sent)
        except OSError:
            raise UsbWriteFailedError("gone", USBErrorNoDevice()) from None
        return len(sent)


def plug_in(monkeypatch: pytest.MonkeyPatch, *devices: FakeDevice) -> None:
    """Let libusb see these devices and no others."""
    context = SimpleNamespace(open=lambda: None, getDeviceIterator=lambda skip_on_error: iter(devices))
    monkeypatch.setitem(sys.modules, "usb1", SimpleNamespace(USBContext=lambda: context))
    monkeypatch.setattr(direct, "UsbTransport", FakeUsbTransport)


def without_libusb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let libusb be missing."""
    monkeypatch.setitem(sys.modules, "usb1", None)
