"""ADB devices on this computer's USB ports, through libusb."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fbsearch.devices.adb.link import faults
from fbsearch.devices.adb.link.quoting import one_line
from fbsearch.errors import DeviceUnavailableError

_ADB_INTERFACE = (0xFF, 0x42, 0x01)  # vendor-specific class, ADB's subclass and protocol


@dataclass(frozen=True)
class UsbDevice:
    """A device with an ADB interface.

    Args:
        port: bus and ports, as Linux and adb write them: ``1-2.3``.
        serial: None where it cannot be read.
        model: as the device names its product; None where it cannot be read.
        problem: the name of libusb's error when it was opened for reading these; None where it could be.
        handle: libusb's device.
        setting: libusb's ADB interface of it.
    """

    port: str
    serial: str | None
    model: str | None
    problem: str | None
    handle: Any
    setting: Any

    @property
    def name(self) -> str:
        """The serial, or the port where it is unknown."""
        return self.serial or f"usb:{self.port}"

    def is_called(self, serial: str) -> bool:
        """Whether ``serial`` is the whole of this device's serial, or its port as ``usb:1-2.3``."""
        return serial in (self.serial, f"usb:{self.port}")


def list_usb() -> list[UsbDevice]:
    """All devices with an ADB interface, by port.

    Raises:
        DependencyError: if libusb or its Python package is missing or does not start.
    """
    try:
        import usb1  # not before it is needed: without libusb, everything but USB works

        context = usb1.USBContext()
        context.open()
        devices = list(context.getDeviceIterator(skip_on_error=True))
    except Exception as error:  # libusb reports a missing library and a missing bus in many ways
        raise faults.missing_libusb(f"{type(error).__name__}: {error}") from None
    found = [_look_at(device, setting) for device in devices if (setting := _adb_setting(device)) is not None]
    return sorted(found, key=lambda device: device.port)


def choose_usb(devices: list[UsbDevice], serial: str | None) -> UsbDevice:
    """The one device called ``serial``; the only one if None.

    Raises:
        DeviceUnavailableError: if there is none or more than one.
    """
    matches = [device for device in devices if serial is None or device.is_called(serial)]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise _none_matches(devices, serial)
    places = " and ".join(f"usb:{device.port} ({device.serial or 'serial unreadable'})" for device in matches)
    what = "devices are attached" if serial is None else f"devices have serial {serial!r}"
    raise DeviceUnavailableError(
        f"{len(matches)} {what}, at {places}; give the serial of one, or its port as serial ('usb:1-2'), "
        "or unplug the others"
    )


def _none_matches(devices: list[UsbDevice], serial: str | None) -> DeviceUnavailableError:
    closed = [device for device in devices if device.problem == "USBErrorAccess"]
    name = "no device on USB" if serial is None else f"no device {serial!r} on USB"
    if closed:
        return DeviceUnavailableError(
            f"{name} that can be opened; at usb:{closed[0].port} there is one, but {faults.PERMIT}",
            reason="no permission",
        )
    others = ", ".join(repr(device.serial) for device in devices)
    hint = f"; attached are {others} (serials must match whole)" if others else ""
    return DeviceUnavailableError(f"{name}{hint}: {faults.PLUG_IN}", reason="absent")


def _adb_setting(device: Any) -> Any | None:
    for setting in device.iterSettings():
        if (setting.getClass(), setting.getSubClass(), setting.getProtocol()) == _ADB_INTERFACE:
            return setting
    return None


def _look_at(device: Any, setting: Any) -> UsbDevice:
    ports = ".".join(str(number) for number in device.getPortNumberList())
    serial = model = problem = None
    try:
        serial = device.getSerialNumber()
        model = one_line(device.getProduct() or "") or None
    except Exception as error:
        problem = faults.usb_name(error)
        if problem is None:
            raise
    return UsbDevice(f"{device.getBusNumber()}-{ports}", serial, model, problem, device, setting)
