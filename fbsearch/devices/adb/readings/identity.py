"""Which phone it is, told from its properties."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fbsearch.devices.adb.readings.printed_text import whole_number

_ENTRY = re.compile(r"\[([^\[\]\n]{1,200})\]: \[", re.ASCII)
_LONGEST_VALUE = 400

_BOARD_ABIS = {
    "aarch64": "linux-aarch64",
    "arm64": "linux-aarch64",
    "armv7l": "linux-arm",
    "armv8l": "linux-arm",
    "x86_64": "linux-x86_64",
    "i686": "linux-x86",
}
"""ABIs of a Linux system that is no Android, by machine: binaries for Android do not run there."""


@dataclass(frozen=True)
class PhoneIdentity:
    """What a phone or board tells about itself; None is what it does not tell.

    Args:
        model: as its maker calls it, or a board's device tree.
        manufacturer: its maker.
        soc: the system on chip's model (Android 12+), or else what names the platform.
        board: the platform, such as ``lahaina``.
        hardware: the kernel's name of it.
        android: Android's version, such as ``14``; None on a board without Android.
        sdk: Android's API level.
        fingerprint: of the system's build.
        abis: what binaries it runs, the preferred one first: Android's names, or ``linux-…`` on a board.
        machine: the kernel's architecture, as ``uname -m`` tells it.
        kernel: the kernel's release.
    """

    model: str | None = None
    manufacturer: str | None = None
    soc: str | None = None
    board: str | None = None
    hardware: str | None = None
    android: str | None = None
    sdk: int | None = None
    fingerprint: str | None = None
    abis: tuple[str, ...] = ()
    machine: str | None = None
    kernel: str | None = None

    @property
    def full_name(self) -> str | None:
        """Maker and model, as far as they are told."""
        return " ".join(filter(None, (self.manufacturer, self.model))) or None

    @property
    def abi(self) -> str | None:
        """What binaries it prefers; the kernel's architecture where it does not tell."""
        return next(iter(self.abis), self.machine)


def parse_getprop(text: str) -> dict[str, str]:
    """The properties in ``getprop``'s ``[name]: [value]``; a value may span lines.

    A name that comes twice keeps its first value.
    """
    properties: dict[str, str] = {}
    name: str | None = None
    value: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if entry := _ENTRY.match(line):
            _keep(properties, name, value)
            name, value = entry[1], [line[entry.end() :]]
        elif name is not None:
            value.append(line)
    _keep(properties, name, value)
    return properties


def identity_of(
    properties: Mapping[str, str], *, machine: str | None, kernel: str | None, board_model: str | None
) -> PhoneIdentity:
    """The identity in a phone's properties, or in what a Linux board tells without them.

    Args:
        properties: as :func:`parse_getprop` gives them; empty on a board.
        machine: as ``uname -m`` tells it.
        kernel: as ``uname -r`` tells it.
        board_model: from the device tree or /proc/cpuinfo.
    """

    def first(*names: str) -> str | None:
        return next((value for name in names if (value := _tidy(properties.get(name)))), None)

    abis = tuple(abi.strip() for abi in (first("ro.product.cpu.abilist") or "").split(",") if abi.strip())
    if not abis and (abi := first("ro.product.cpu.abi")):
        abis = tuple(filter(None, (abi, first("ro.product.cpu.abi2"))))
    if not abis and not properties and machine in _BOARD_ABIS:
        abis = (_BOARD_ABIS[machine],)
    return PhoneIdentity(
        model=first("ro.product.model", "ro.product.vendor.model") or board_model,
        manufacturer=first("ro.product.manufacturer", "ro.product.vendor.manufacturer"),
        soc=first("ro.soc.model", "ro.board.platform", "ro.hardware.chipname", "ro.hardware"),
        board=first("ro.board.platform", "ro.product.board"),
        hardware=first("ro.hardware"),
        android=first("ro.build.version.release"),
        sdk=whole_number(first("ro.build.version.sdk") or ""),
        fingerprint=first("ro.build.fingerprint", "ro.vendor.build.fingerprint"),
        abis=abis,
        machine=machine,
        kernel=kernel,
    )


def _keep(properties: dict[str, str], name: str | None, value: list[str]) -> None:
    """Add a property whose lines are complete, that is, up to the last closing bracket."""
    content, bracket, _ = "\n".join(value).rpartition("]")
    if name is not None and bracket:
        properties.setdefault(name, content)


def _tidy(value: str | None) -> str | None:
    """A value on one line of printable characters, or None for an empty one and Android's ``unknown``."""
    printable = "".join(char if char.isprintable() else " " for char in (value or "")[:_LONGEST_VALUE])
    tidy = " ".join(printable.split())
    return None if tidy in ("", "unknown") else tidy
