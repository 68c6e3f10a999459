"""A phone or board over ADB as a device."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fbsearch.devices.adb.benchmark.binaries import BenchmarkBinary, binary_for, remote_name
from fbsearch.devices.adb.benchmark.launching import BenchmarkModel, LaunchSettings, PerfTest
from fbsearch.devices.adb.device.reachable import ReachablePhone
from fbsearch.devices.adb.device.runner import PhoneRunner
from fbsearch.devices.adb.readings import PhoneReadings, core_mask
from fbsearch.devices.definition import AdbDefinition
from fbsearch.devices.description import DeviceDescription, RuntimeDescription, RuntimeName
from fbsearch.devices.runner import check_offered
from fbsearch.errors import DeviceError
from fbsearch.precision import Precision

_NOT_TOLD = "not told"

_log = logging.getLogger(__name__)


class AdbDevice:
    """A phone or board that speaks ADB.

    Args:
        definition: how to reach it, and how to measure there.
        notify: told, a line each, what a person should know or do meanwhile.
    """

    def __init__(self, definition: AdbDefinition, *, notify: Callable[[str], None] = _log.warning) -> None:
        self._definition = definition
        self._phone = ReachablePhone(definition, notify=notify)

    @property
    def name(self) -> str:
        """The definition's name."""
        return self._definition.name

    @property
    def definition(self) -> AdbDefinition:
        """How it is reached, and what is used there where nobody says otherwise."""
        return self._definition

    @property
    def phone(self) -> ReachablePhone:
        """The phone itself, to connect to."""
        return self._phone

    def describe(self) -> DeviceDescription:
        """Identity, cores, clocks and condition, read now."""
        readings = self._phone.read_again()
        identity = readings.identity
        top = readings.clusters[-1] if readings.clusters else None
        return DeviceDescription(
            name=self.name,
            kind="adb",
            model=identity.full_name or _NOT_TOLD,
            architecture=identity.abi or _NOT_TOLD,
            num_cores=readings.num_cores or 1,
            memory_bytes=readings.memory_bytes,
            system=_system(readings),
            governor=readings.cores[0].governor if readings.cores else None,
            max_frequency_mhz=top.max_khz / 1000 if top else None,
            properties=_properties(readings),
        )

    def runner(self, runtime: RuntimeName, *, threads: int, precision: Precision = "fp32") -> PhoneRunner:
        """The runtime's benchmark binary on the phone.

        Raises:
            DeviceError: if the phone cannot be reached or does not offer it as asked, or there is no binary
                for it.
        """
        readings = self._phone.readings()
        check_offered(self.name, runtime, threads=threads, num_cores=readings.num_cores)
        binary = self.binary(runtime)
        mask = self._mask(readings)
        definition = self._definition
        settings = LaunchSettings(
            threads, mask, definition.delegate, definition.warmup_ms, definition.max_launch_s
        )
        tool: BenchmarkModel | PerfTest
        if runtime == "tflite":
            tool = BenchmarkModel(remote_name(binary), settings)
        else:
            tool = PerfTest(f"onnxruntime_perf_test-{binary.sha256[:16]}", settings)
        description = RuntimeDescription(
            name=runtime,
            package="benchmark_model" if runtime == "tflite" else "onnxruntime_perf_test",
            version=f"sha256:{binary.sha256}",
            threads=threads,
            precision=precision,
            delegate=definition.delegate if runtime == "tflite" else "CPUExecutionProvider",
            options={
                "binary_source": binary.source,
                "cores": mask or "left to the system",
                "fixed_performance_mode": str(definition.fixed_performance_mode).lower(),
            },
        )
        return PhoneRunner(self._phone, description, tool, binary.path)

    def binary(self, runtime: RuntimeName) -> BenchmarkBinary:
        """The benchmark binary that stands for a runtime on this phone.

        Raises:
            DeviceError: if the phone cannot be reached, or there is no binary for it.
        """
        definition = self._definition
        abi = self._phone.readings().identity.abi or "unknown"
        if runtime == "tflite":
            given = definition.binary.expanduser() if definition.binary else None
            return binary_for(abi, given=given, sha256=definition.binary_sha256)
        if definition.onnxruntime_binary is None:
            raise DeviceError(
                f"device {self.name!r}: ONNX Runtime on a phone needs onnxruntime_perf_test, which has no "
                "official download: build it and give it as 'onnxruntime_binary' in the device file"
            )
        return binary_for(abi, given=definition.onnxruntime_binary.expanduser())

    def _mask(self, readings: PhoneReadings) -> str | None:
        """For taskset; None leaves the cores to the system, where nobody asked and nothing is known."""
        cores = self._definition.cores
        if "taskset" not in readings.tools or not readings.cores:
            if cores not in (None, "all"):
                raise DeviceError(
                    f"cores: {cores!r}: device {self.name!r} has no taskset, or lists no cores; "
                    "leave 'cores' out of its device file"
                )
            return None
        if cores is not None:
            return core_mask(cores, readings.cores)
        try:
            return core_mask("big", readings.cores)
        except DeviceError:
            return core_mask("all", readings.cores)


def _system(readings: PhoneReadings) -> str:
    identity = readings.identity
    if identity.android is not None:
        return f"Android {identity.android} (API {identity.sdk or _NOT_TOLD})"
    return f"Linux {identity.kernel}" if identity.kernel else _NOT_TOLD


def _properties(readings: PhoneReadings) -> dict[str, str]:
    """What else is worth recording; what could not be known is named."""
    identity, conditions = readings.identity, readings.conditions
    clusters = ", ".join(f"{len(c.cores)} x {c.max_khz / 1e6:.2f} GHz" for c in readings.clusters)
    battery, thermal = conditions.battery, conditions.thermal
    told = {
        "soc": identity.soc,
        "abis": ", ".join(identity.abis),
        "clusters": clusters,
        "fingerprint": identity.fingerprint,
        "kernel": identity.kernel,
        "thermal_status": None if thermal is None or thermal.status is None else str(thermal.status),
        "battery_celsius": None
        if battery is None or battery.temperature_celsius is None
        else str(battery.temperature_celsius),
        "battery_percent": None if battery is None or battery.level is None else str(battery.level),
        "tools": ", ".join(sorted(readings.tools)),
    }
    return {name: value or _NOT_TOLD for name, value in told.items()}
