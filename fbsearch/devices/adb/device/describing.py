"""Everything about one phone that a person may want to know before measuring there."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from fbsearch.devices.adb.benchmark.binaries import BenchmarkBinary
from fbsearch.devices.adb.device.device import AdbDevice
from fbsearch.devices.adb.phone.lock import phone_lock
from fbsearch.devices.adb.phone.phone import Phone
from fbsearch.devices.adb.phone.upkeep import restore_after_a_crash
from fbsearch.devices.adb.readings import TOOLS, PhoneReadings, core_mask
from fbsearch.devices.definition import AdbDefinition
from fbsearch.errors import DeviceError

_THERMAL_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")


@dataclass(frozen=True)
class PhoneReport:
    """A phone, as found.

    Args:
        definition: by which it was reached.
        serial: as ``adb devices`` shows it.
        transport: ``usb``, ``tcp`` or ``server``.
        readings: what it tells about itself.
        restored: fixed-performance mode, left on by an interrupted run, was switched off just now.
        is_measured: another process of this user measures there now.
        binary: the benchmark binary that would be used; None where there is none.
        binary_problem: why there is none, and what to do.
    """

    definition: AdbDefinition
    serial: str
    transport: str
    readings: PhoneReadings
    restored: bool
    is_measured: bool
    binary: BenchmarkBinary | None
    binary_problem: str | None

    @property
    def abi(self) -> str | None:
        """What binaries it prefers."""
        return self.readings.identity.abi

    @property
    def big_cores(self) -> str | None:
        """The mask of the big cores, without ``0x``; None where they cannot be told or chosen."""
        if "taskset" not in self.readings.tools:
            return None
        try:
            return core_mask("big", self.readings.cores)
        except DeviceError:
            return None

    @property
    def thermal_status(self) -> str | None:
        """Android's thermal status with its name."""
        thermal = self.readings.conditions.thermal
        if thermal is None or thermal.status is None:
            return None
        return f"{thermal.status} ({_THERMAL_STATUS[thermal.status]})"

    @property
    def unknown(self) -> tuple[str, ...]:
        """What it does not tell, and what follows from that."""
        readings, conditions = self.readings, self.readings.conditions
        thermal, battery = conditions.thermal, conditions.battery
        identity = readings.identity
        gaps = {
            "model": identity.model is None,
            "ABI (set 'binary' in its device file)": not identity.abis,
            "Android version": identity.android is None,
            "SoC": identity.soc is None,
            "cores": readings.num_cores is None,
            "highest clocks (big and little cores cannot be told apart)": not readings.clusters,
            "choice of cores (no taskset: the system chooses)": "taskset" not in readings.tools,
            "thermal status (the sentinel alone notices throttling)": self.thermal_status is None,
            "battery temperature": battery is None or battery.temperature_celsius is None,
            "sensors": thermal is None or not thermal.temperatures,
            "hashes of files there (no sha256sum: sizes are compared)": "sha256sum" not in readings.tools,
            "memory": readings.memory_bytes is None,
            "free space": readings.free_bytes is None,
        }
        return tuple(what for what, is_missing in gaps.items() if is_missing)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; null is what the phone does not tell."""
        readings, conditions = self.readings, self.readings.conditions
        identity, battery, thermal = readings.identity, conditions.battery, conditions.thermal
        return {
            "name": self.definition.name,
            "serial": self.serial,
            "transport": self.transport,
            "manufacturer": identity.manufacturer,
            "model": identity.model,
            "soc": identity.soc,
            "abis": list(identity.abis),
            "android": identity.android,
            "sdk": identity.sdk,
            "kernel": identity.kernel,
            "fingerprint": identity.fingerprint,
            "num_cores": readings.num_cores,
            "clusters": [
                {"cores": list(cluster.cores), "max_khz": cluster.max_khz} for cluster in readings.clusters
            ],
            "governors": sorted({core.governor for core in readings.cores if core.governor}),
            "capped_cores": list(conditions.capped_cores),
            "big_cores": self.big_cores,
            "memory_bytes": readings.memory_bytes,
            "free_bytes": readings.free_bytes,
            "thermal_status": None if thermal is None else thermal.status,
            "temperatures_celsius": {} if thermal is None else dict(thermal.temperatures),
            "battery": None
            if battery is None
            else {
                "percent": battery.level,
                "celsius": battery.temperature_celsius,
                "is_charging": battery.is_charging,
                "is_plugged": battery.is_plugged,
            },
            "tools": sorted(readings.tools),
            "missing_tools": sorted(set(TOOLS) - readings.tools),
            "restored_fixed_performance_mode": self.restored,
            "is_measured_now": self.is_measured,
            "binary": None
            if self.binary is None
            else {"sha256": self.binary.sha256, "source": self.binary.source, "path": str(self.binary.path)},
            "binary_problem": self.binary_problem,
            "unknown": list(self.unknown),
        }


def describe_phone(device: AdbDevice) -> PhoneReport:
    """Ask a phone about itself; set back what an interrupted run left set.

    Raises:
        DeviceError: if it cannot be reached.
    """
    with device.phone.connected() as phone:
        restored, is_measured = _restore(phone, device.name)
        readings = device.phone.readings()
        serial, transport = phone.serial, phone.transport
    binary, problem = _binary(device)
    return PhoneReport(
        definition=device.definition,
        serial=serial,
        transport=transport,
        readings=readings,
        restored=restored,
        is_measured=is_measured,
        binary=binary,
        binary_problem=problem,
    )


def _restore(phone: Phone, name: str) -> tuple[bool, bool]:
    """Whether a mode was set back; and whether another process measures, whose mode it then is."""
    with ExitStack() as stack:
        try:
            stack.enter_context(phone_lock(phone.serial, name))
        except DeviceError:
            return False, True
        return restore_after_a_crash(phone), False


def _binary(device: AdbDevice) -> tuple[BenchmarkBinary | None, str | None]:
    try:
        return device.binary("tflite"), None
    except DeviceError as error:
        return None, str(error)
