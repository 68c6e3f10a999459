"""Devices reached with the Android Debug Bridge: phones, and boards that speak it."""

from fbsearch.devices.adb.connecting import connect
from fbsearch.devices.adb.connection import AdbAddress, Connection, ShellResult
from fbsearch.devices.adb.reconnecting import ReconnectingConnection

__all__ = ["AdbAddress", "Connection", "ReconnectingConnection", "ShellResult", "connect"]
