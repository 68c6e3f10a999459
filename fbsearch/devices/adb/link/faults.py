"""From whatever goes wrong below a connection to our errors, one line with what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from adb_shell import exceptions as adb_shell_errors

from fbsearch.devices.adb.link.quoting import one_line
from fbsearch.devices.adb.link.sync_service import SyncFailure, SyncGarbage, SyncTooLarge
from fbsearch.errors import (
    ConnectionLostError,
    DependencyError,
    DeviceError,
    DeviceFullError,
    DeviceUnavailableError,
    FbsearchError,
)

_GARBLED = (
    adb_shell_errors.InvalidCommandError,
    adb_shell_errors.InvalidChecksumError,
    adb_shell_errors.InvalidResponseError,
    SyncGarbage,
)
_SILENT = (TimeoutError, adb_shell_errors.AdbTimeoutError, adb_shell_errors.TcpTimeoutException)
_USB = (adb_shell_errors.UsbReadFailedError, adb_shell_errors.UsbWriteFailedError)
_FULL = ("no space left", "disk quota exceeded", "enospc")

PLUG_IN = "plug it in, unlock it and switch on USB debugging (Settings, Developer options)"
ALLOW = (
    "unlock the phone and tap Allow on 'Allow USB debugging?'; if it does not ask, choose "
    "'Revoke USB debugging authorisations' in its developer options, plug it in again and run again"
)
RELEASE = "end what holds it (`adb kill-server`, Android Studio), or reach it through the adb server"
PERMIT = (
    "this user may not open the USB device: install udev rules for Android (Debian: "
    "android-sdk-platform-tools-common) and join group plugdev, then plug the phone in again"
)
WIRELESS = (
    "it wants an encrypted link (wireless debugging): plug it in and run `adb tcpip 5555`, then give its "
    "address with port 5555; or pair it with the adb server (`adb pair`, `adb connect`) and take transport "
    "'server'"
)


class SecureLinkWanted(Exception):
    """The device asked for TLS, which only the adb server speaks."""


class ServiceRefused(Exception):
    """The device closed a stream instead of opening it."""


@contextmanager
def as_our_errors(device: str, doing: str) -> Iterator[None]:
    """Turn every error of a library or the system inside the block into one of ours.

    Args:
        device: the device's serial, for the message.
        doing: what was being done, such as "running getprop".
    """
    try:
        yield
    except FbsearchError:
        raise
    except Exception as error:  # judged below: adb-shell and libusb raise many kinds
        translated = translate(error, device, doing)
        if translated is None:
            raise
        raise translated from error


def translate(error: Exception, device: str, doing: str) -> FbsearchError | None:
    """Our error for one of adb-shell, libusb or the system; None where it is a bug of our own."""
    place = f"device {device!r}"
    if isinstance(error, SecureLinkWanted):
        return DeviceUnavailableError(f"{place} cannot be used as it is: {WIRELESS}")
    if isinstance(error, SyncFailure):
        return _refused_file(str(error), place, doing)
    if isinstance(error, SyncTooLarge):
        return DeviceError(
            f"{place}: {doing}: the file is larger than {error}; see what wrote it, and delete it"
        )
    if isinstance(error, ServiceRefused):
        return ConnectionLostError(f"{place} refused {doing}: it may be shutting down or in recovery mode")
    if isinstance(error, adb_shell_errors.DeviceAuthError):
        return unauthorised(device)
    cause = usb_name(error)
    if cause is not None:
        return usb_fault(cause, place, doing)
    if isinstance(error, _SILENT):
        return ConnectionLostError(f"{place} fell silent ({doing})")
    if isinstance(error, _GARBLED):
        return ConnectionLostError(f"{place} sent garbled data ({doing}): {one_line(str(error), limit=120)}")
    if isinstance(error, (EOFError, OSError, adb_shell_errors.AdbConnectionError)):
        return ConnectionLostError(f"the link to {place} broke ({doing}): {_plain(error)}")
    return None


def usb_name(error: BaseException) -> str | None:
    """The name of libusb's error behind an exception, like ``USBErrorBusy``; None where there is none.

    By name, since libusb1 is optional.
    """
    if isinstance(error, _USB):
        inner = error.args[1] if len(error.args) > 1 else None
        return type(inner).__name__ if inner is not None else "USBErrorNoDevice"
    return type(error).__name__ if type(error).__name__.startswith("USBError") else None


def usb_fault(cause: str, place: str, doing: str) -> DeviceError:
    """Our error for one of libusb, by its class's name."""
    if cause == "USBErrorBusy":
        return DeviceUnavailableError(f"{place} is held by another program: {RELEASE}", reason="busy")
    if cause == "USBErrorAccess":
        return DeviceUnavailableError(f"{place} cannot be opened: {PERMIT}", reason="no permission")
    if cause == "USBErrorTimeout":
        return ConnectionLostError(f"{place} fell silent ({doing})")
    return ConnectionLostError(
        f"the USB link to {place} broke ({doing}, {cause.removeprefix('USBError')}): check the cable"
    )


def server_refusal(message: str, device: str, doing: str) -> DeviceError:
    """Our error for what an adb server answered FAIL with."""
    text = one_line(message)
    lowered = text.lower()
    place = f"device {device!r}"
    if "unauthorized" in lowered:
        return unauthorised(device)
    if "offline" in lowered or "still connecting" in lowered or "authorizing" in lowered:
        return DeviceUnavailableError(f"{place} is offline for the adb server: {PLUG_IN}", reason="offline")
    if "not found" in lowered or "no devices" in lowered:
        return DeviceUnavailableError(f"the adb server has no {place}: {PLUG_IN}", reason="absent")
    if "more than one" in lowered:
        return DeviceUnavailableError(f"the adb server has more than one {place}: unplug all but one of them")
    if "no permissions" in lowered or "insufficient permissions" in lowered:
        return DeviceUnavailableError(
            f"{place} cannot be opened by the adb server: {PERMIT}", reason="no permission"
        )
    if "closed" in lowered:
        return ConnectionLostError(f"{place} closed the link ({doing})")
    return DeviceError(f"the adb server refused {doing} on {place}: {text}")


def unauthorised(device: str) -> DeviceUnavailableError:
    """The error for a device that does not know this computer's key."""
    return DeviceUnavailableError(
        f"device {device!r} has not authorised this computer: {ALLOW}", reason="unauthorised"
    )


def missing_libusb(problem: str) -> DependencyError:
    """The error for USB without libusb."""
    return DependencyError(
        f"USB needs libusb ({problem}): pip install libusb1, and the system's libusb-1.0 "
        "(Debian: apt install libusb-1.0-0; macOS: brew install libusb); or take the adb server or TCP"
    )


def _refused_file(reason: str, place: str, doing: str) -> DeviceError:
    if any(word in reason.lower() for word in _FULL):
        return DeviceFullError(f"{place} has no space left ({doing}: {reason}); free some and run again")
    return DeviceError(f"{place} refused {doing}: {reason}")


def _plain(error: Exception) -> str:
    """What an exception says, on one line; its errno's name where it says nothing."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or errno.errorcode.get(error.errno, str(error.errno))
    return one_line(str(error)) or type(error).__name__
