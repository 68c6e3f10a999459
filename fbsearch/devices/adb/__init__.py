"""Devices reached with the Android Debug Bridge: phones, and boards that speak it."""

from fbsearch.devices.adb.link.connecting import connect
from fbsearch.devices.adb.link.connection import AdbAddress, Connection, ShellResult
from fbsearch.devices.adb.link.reconnecting import ReconnectingConnection

__all__ = ["AdbAddress", "Connection", "ReconnectingConnection", "ShellResult", "connect"]
