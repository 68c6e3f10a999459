"""What is set on a phone while it measures, and set back afterwards; and whether it is held back now."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from fbsearch.devices.adb.phone.phone import Phone, Upload
from fbsearch.devices.adb.readings import Conditions, PhoneReadings
from fbsearch.devices.definition import AdbDefinition

_MARKER = "fixed-performance-mode-is-on"
_FIRST_SDK = 30
_COMMAND = "cmd power set-fixed-performance-mode-enabled"
_STARTING = "Can't find service"
"""What ``cmd`` prints while Android starts: adbd is back long before its services are."""
_BOOT_S = 120.0
_POLL_S = 2.0

_log = logging.getLogger(__name__)


class FixedPerformanceMode:
    """Android 11's mode that bounds the clocks below what heats the phone; without root.

    A marker in our folder on the phone says that it is on, so that whoever comes next after a crash of
    this computer sets it back.

    Args:
        readings: of the phone.
        pause: waits some seconds.
    """

    def __init__(self, readings: PhoneReadings, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._is_offered = (readings.identity.sdk or 0) >= _FIRST_SDK and "cmd" in readings.tools
        self._pause = pause
        self.is_on = False

    def enter(self, phone: Phone) -> None:
        """Switch it on, where the phone takes it."""
        if not self._is_offered:
            return
        phone.upload({_MARKER: Upload(b"fbsearch\n")}, can_hash=False)
        self.is_on = True  # first: whatever cuts this off, it must be switched off
        # Phones without the feature exit with 0 or 255, but all of them print something.
        self.is_on = self._switch_on(phone) == ""
        if not self.is_on:
            phone.remove(_MARKER)

    def enter_again(self, phone: Phone) -> None:
        """Switch it on after a reboot, which switched it off; not where it was off before, or left since."""
        if self.is_on:
            self.enter(phone)
            if not self.is_on:
                _log.warning(
                    "device %r: fixed-performance mode, on before, cannot be switched on again", phone.serial
                )

    def leave(self, phone: Phone) -> None:
        """Switch it off."""
        if self.is_on:
            self.is_on = False  # first: a link that is lost here must not switch it on again
            restore(phone)

    def _switch_on(self, phone: Phone) -> str:
        """What the phone says to it, once its services are up."""
        waited_s = 0.0
        while True:
            answer = phone.run(f"{_COMMAND} true")
            said = f"{answer.stdout} {answer.stderr}".strip() or ("failed" if answer.exit_code else "")
            if _STARTING not in said or waited_s >= _BOOT_S:
                return said
            self._pause(_POLL_S)
            waited_s += _POLL_S


def restore(phone: Phone) -> None:
    """Switch the mode off and remove the marker."""
    phone.run(f"{_COMMAND} false")
    phone.remove(_MARKER)


def restore_after_a_crash(phone: Phone) -> bool:
    """Switch the mode off if an interrupted run left it on.

    Returns:
        Whether it had to.
    """
    if not phone.has(_MARKER):
        return False
    restore(phone)
    _log.warning(
        "device %r: an interrupted run had left fixed-performance mode on; it is off now", phone.serial
    )
    return True


def held_back(now: Conditions, start: Conditions, definition: AdbDefinition) -> str | None:
    """Why the phone is slower now than it could be, in one line; None where it does not say so.

    Args:
        now: read just now.
        start: read when measuring began, set up: what its clocks may do.
        definition: how hot it may become.
    """
    status = now.thermal.status if now.thermal else None
    if status is not None and status > definition.max_thermal_status:
        return f"thermal status {status} (allowed: {definition.max_thermal_status})"
    celsius = now.battery.temperature_celsius if now.battery else None
    if celsius is not None and celsius > definition.max_battery_celsius:
        return f"battery at {celsius:.1f} °C (allowed: {definition.max_battery_celsius:g})"
    caps = {core.core: core.scaling_max_khz for core in start.cores}
    for core in now.cores:
        before = caps.get(core.core)
        if before and core.scaling_max_khz and core.scaling_max_khz < before:
            return f"core {core.core} capped at {core.scaling_max_khz / 1e6:.2f} GHz (was {before / 1e6:.2f})"
    return None
