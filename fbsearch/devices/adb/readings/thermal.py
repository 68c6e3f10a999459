"""Heat and charge of a phone, told from ``dumpsys`` and from the kernel's thermal zones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fbsearch.devices.adb.readings.printed_text import decimal_number, whole_number

_STATUS = re.compile(r"\s{0,8}Thermal Status: ([0-9])\s{0,4}", re.ASCII)
_TEMPERATURE = re.compile(r"Temperature\{mValue=([^,}]{1,30}), mType=[^,}]{1,30}, mName=([^,}\n]{1,100}), ")
_ZONE = re.compile(r"(thermal_zone[0-9]{1,4}) ([^\s]{1,20})(?: (\S.{0,99}))?")
_FIELD = re.compile(r"\s{0,8}([A-Za-z ]{1,30}): ?(-?[0-9]{1,12}|true|false)\s{0,4}", re.ASCII)
_LOWEST, _HIGHEST = -40.0, 200.0
"""Degrees beyond these are how drivers say that a sensor is absent, such as -99.9 or -274."""

_CHARGING, _FULL = 2, 5
_SOURCES = ("AC powered", "USB powered", "Wireless powered", "Dock powered")


@dataclass(frozen=True)
class Battery:
    """A phone's battery; None is what it does not tell.

    Args:
        level: charge in percent.
        temperature_celsius: to a tenth.
        is_charging: whether it takes charge now; a full one does not.
        is_plugged: whether the phone is powered from outside.
        is_overridden: whether someone set these figures with ``dumpsys battery set``.
    """

    level: int | None
    temperature_celsius: float | None
    is_charging: bool | None
    is_plugged: bool | None
    is_overridden: bool = False


@dataclass(frozen=True)
class Thermal:
    """How hot a phone is.

    Args:
        status: Android's thermal status: 0 none, 1 light, 2 moderate, 3 severe, 4 critical, 5 emergency,
            6 shutdown; None where the system has none.
        temperatures: degrees Celsius by sensor; of two sensors with one name, the hotter.
        source: where they come from: the thermal service asking the hardware now, its cache, the kernel.
        is_overridden: whether someone set the status with ``cmd thermalservice override-status``.
    """

    status: int | None
    temperatures: Mapping[str, float] = field(default_factory=dict)
    source: Literal["HAL", "cache", "kernel"] | None = None
    is_overridden: bool = False


def parse_battery(text: str) -> Battery | None:
    """What ``dumpsys battery`` tells (its temperature is in tenths of a degree); None where there is none."""
    values: dict[str, str] = {}
    for line in text.split("\n"):
        if match := _FIELD.fullmatch(line[:80]):
            values.setdefault(match[1], match[2])
    if values.get("present") == "false":
        return None
    level, scale = whole_number(values.get("level", "")), whole_number(values.get("scale", "100"))
    percent = round(100 * level / scale) if level is not None and scale else None
    tenths = values.get("temperature", "")
    temperature = _plausible(_signed(tenths), 10)
    status = whole_number(values.get("status", ""))
    powered = [values[source] == "true" for source in _SOURCES if source in values]
    if percent is None and temperature is None:
        return None
    return Battery(
        level=percent if percent is not None and percent <= 100 else None,
        temperature_celsius=temperature,
        is_charging=None if status is None or not 2 <= status <= _FULL else status == _CHARGING,
        is_plugged=any(powered) if powered else None,
        is_overridden="UPDATES STOPPED" in text,
    )


def parse_thermal(text: str) -> Thermal | None:
    """What ``dumpsys thermalservice`` tells, the hardware's temperatures before cached ones.

    None where it tells neither a status nor a temperature.
    """
    status: int | None = None
    hal: dict[str, float] = {}
    cache: dict[str, float] = {}
    section: dict[str, float] | None = None
    for line in text.split("\n"):
        short = line[:300]
        if (match := _STATUS.fullmatch(short)) and status is None:
            status = int(match[1])
        elif short.startswith("Cached temperatures"):
            section = cache
        elif short.startswith("Current temperatures from HAL"):
            section = hal
        elif short.startswith(("Current cooling", "Temperature static", "HAL ", "Temperature headroom")):
            section = None
        elif section is not None and (match := _TEMPERATURE.match(short.strip())):
            _add(section, match[2].strip(), _plausible(_signed(match[1]), 1))
    status = status if status is not None and status <= 6 else None
    if status is None and not hal and not cache:
        return None
    return Thermal(
        status=status,
        temperatures=hal or cache,
        source="HAL" if hal else "cache" if cache else None,
        is_overridden="IsStatusOverride: true" in text,
    )


def parse_thermal_zones(text: str) -> Thermal | None:
    """What the kernel's zones tell, from lines ``thermal_zone0 45000 cpu-thermal``; None where nothing."""
    found: dict[str, float] = {}
    for line in text.split("\n"):
        if match := _ZONE.fullmatch(line.strip()[:200]):
            value = _signed(match[2])
            _add(found, (match[3] or match[1]).strip(), _plausible(value, 1000))
    return Thermal(None, found, "kernel") if found else None


def _add(temperatures: dict[str, float], name: str, value: float | None) -> None:
    if value is not None:
        temperatures[name] = max(value, temperatures.get(name, value))


def _signed(text: str) -> float | None:
    value = decimal_number(text.removeprefix("-"))
    return -value if value is not None and text.startswith("-") else value


def _plausible(value: float | None, divisor: int) -> float | None:
    if value is None or not _LOWEST <= value / divisor <= _HIGHEST:
        return None
    return value / divisor
