"""This computer as a device."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

from fbsearch.devices.definition import LocalDefinition
from fbsearch.devices.description import DeviceDescription, RuntimeName
from fbsearch.devices.onnxruntime import OnnxRuntimeRunner
from fbsearch.devices.runner import Runner, check_offered
from fbsearch.devices.tflite import TFLiteRunner
from fbsearch.precision import Precision

_RUNNERS: dict[RuntimeName, Callable[..., Runner]] = {
    "tflite": TFLiteRunner,
    "onnxruntime": OnnxRuntimeRunner,
}

_CPU_FOLDER = Path("/sys/devices/system/cpu")
_MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),  # a number, or "max" without a limit
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # of cgroups' first version
)


class LocalDevice:
    """The computer that runs fbsearch, models in this process.

    Args:
        definition: name and defaults; without one, the built-in ``local``.
    """

    def __init__(self, definition: LocalDefinition | None = None) -> None:
        self.definition = definition or LocalDefinition(
            name="local", description="The computer that runs fbsearch"
        )

    @property
    def name(self) -> str:
        """The definition's name."""
        return self.definition.name

    def describe(self) -> DeviceDescription:
        """Processor, memory and system, as far as the system tells."""
        frequency = _read(_CPU_FOLDER / "cpu0/cpufreq/cpuinfo_max_freq")
        return DeviceDescription(
            name=self.name,
            kind="local",
            model=_processor(),
            architecture=platform.machine(),
            num_cores=os.cpu_count() or 1,
            memory_bytes=_memory_bytes(),
            system=f"{platform.system()} {platform.release()}",
            governor=_read(_CPU_FOLDER / "cpu0/cpufreq/scaling_governor"),
            max_frequency_mhz=int(frequency) / 1000 if frequency and frequency.isdigit() else None,
        )

    def runner(self, runtime: RuntimeName, *, threads: int, precision: Precision = "fp32") -> Runner:
        """A runtime with so many threads, for models of a precision.

        Raises:
            DeviceError: if the runtime is unknown or there are fewer cores than threads.
            DependencyError: if its package is missing.
        """
        check_offered(self.name, runtime, threads=threads, num_cores=os.cpu_count() or 1)
        return _RUNNERS[runtime](threads=threads, precision=precision)


def _processor() -> str:
    """The processor's model: from /proc/cpuinfo, from macOS' sysctl, or as the platform calls it."""
    for line in (_read(Path("/proc/cpuinfo")) or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Hardware", "cpu model") and value.strip():
            return " ".join(value.split())
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
        if answer.stdout.strip():
            return answer.stdout.strip()
    return platform.processor() or platform.machine() or "unknown processor"


def _memory_bytes() -> int | None:
    """Main memory, or as much of it as this process's container may use."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not every system names them, Windows has no sysconf
        return None
    limits = [int(text) for path in _MEMORY_LIMITS if (text := _read(path)) and text.isdigit()]
    return min([physical, *(limit for limit in limits if limit > 0)])


def _read(path: Path) -> str | None:
    """The stripped text of a system file, or None where it is absent or closed to us."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
