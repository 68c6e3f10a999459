"""The parts of adb-shell that know both transports, imported so that a broken libusb costs no more than USB.

adb-shell starts libusb when it is imported. It does without one that is missing, but where libusb does not
start, as in some containers, the import fails as a whole.
"""

from __future__ import annotations

import sys
from typing import Any

try:
    from adb_shell.adb_device import UsbTransport, _AdbIOManager, get_banner
except Exception:  # whatever a missing libusb makes the USB transport raise
    blocked: Any = None  # for the import system: no such module
    sys.modules["adb_shell.transport.usb_transport"] = blocked
    from adb_shell.adb_device import UsbTransport, _AdbIOManager, get_banner

PacketIO = _AdbIOManager
"""Handshake and packets."""

__all__ = ["PacketIO", "UsbTransport", "get_banner"]
