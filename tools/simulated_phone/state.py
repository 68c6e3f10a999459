"""What changes on the phone while it runs: clocks, heat, modes, and what a reboot undoes."""

from __future__ import annotations

import threading
import time

from tools.simulated_phone.profile import Profile
from tools.simulated_phone.sandbox import Sandbox

THROTTLED_CLOCK, THROTTLED_SLOWDOWN, THROTTLED_STATUS = 0.6, 1.7, 3
_CPU = "/sys/devices/system/cpu"


class PhoneState:
    """State that commands read and set. Every change of clocks is written to the sandbox's /sys.

    Args:
        profile: cores and governor.
        sandbox: where /sys lies.
    """

    def __init__(self, profile: Profile, sandbox: Sandbox) -> None:
        self._profile = profile
        self._sandbox = sandbox
        self._lock = threading.RLock()
        self._slow_launches = 0
        self._is_hot = False
        self._cools_after_s = 0.0
        self._timer: threading.Timer | None = None
        self.battery_level = 87
        self.battery_tenths = 287
        self.skin_celsius = 31.4
        self.properties: dict[str, str] = {}
        self.settings: dict[str, str] = {}
        self.boot()

    def boot(self, *, services_after_s: float = 0.0) -> None:
        """Forget what does not outlive a reboot; Android's services come up later than adbd."""
        with self._lock:
            self._services_from_s = time.monotonic() + services_after_s
            self.is_fixed_performance = False
            self.is_airplane_mode = False
            self.stays_on = ""
            self._is_hot = False
            self._write_clocks()

    @property
    def has_services(self) -> bool:
        """Whether Android's services are up."""
        return time.monotonic() >= self._services_from_s

    @property
    def is_throttled(self) -> bool:
        """Whether the phone is too hot now."""
        with self._lock:
            return self._is_hot

    @property
    def thermal_status(self) -> int:
        """As ``dumpsys thermalservice`` counts: 0 is none, 3 severe."""
        return THROTTLED_STATUS if self.is_throttled else 0

    def set_fixed_performance(self, is_on: bool) -> None:
        """Bound the clocks below their maximum, or no longer."""
        with self._lock:
            self.is_fixed_performance = is_on
            self._write_clocks()

    def throttle(self, launches: int, seconds: float) -> None:
        """Be hot for so many launches, or until so many seconds passed without one."""
        with self._lock:
            self._slow_launches = launches
            self._is_hot = True
            self._cools_after_s = seconds
            self._write_clocks()
            self._cool_later()

    def cool_down(self) -> None:
        """Be cool again."""
        with self._lock:
            self._is_hot = False
            self._write_clocks()

    def launch(self, mask: int | None) -> float:
        """Count a launch on these cores that starts now, and tell how much slower it runs than it could.

        A phone stays hot past its last slow launch, so that whoever reads its state then sees it.
        """
        with self._lock:
            if self._is_hot and self._slow_launches == 0:
                self.cool_down()
            clusters = self._profile.clusters
            used = [c for c in clusters if mask is None or any(mask >> core & 1 for core in c.cores)]
            slowdown = min((cluster.slowdown for cluster in used), default=1.0)
            if self._is_hot:
                self._slow_launches -= 1
                slowdown *= THROTTLED_SLOWDOWN
        return slowdown

    def launch_ended(self) -> None:
        """Start to cool down, until the next launch."""
        with self._lock:
            if self._is_hot:
                self._cool_later()

    def wait_until_cool(self, timeout_s: float) -> None:
        """Wait for the end of a throttling."""
        end_s = time.monotonic() + timeout_s
        while self.is_throttled and time.monotonic() < end_s:
            time.sleep(0.01)

    def close(self) -> None:
        """Stop the clock that cools the phone."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _cool_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(self._cools_after_s, self.cool_down)
        self._timer.daemon = True
        self._timer.start()

    def _write_clocks(self) -> None:
        for cluster in self._profile.clusters:
            cap = cluster.fixed_khz if self.is_fixed_performance else cluster.max_khz
            if self.is_throttled:
                cap = int(cap * THROTTLED_CLOCK)
            for core in cluster.cores:
                values = {
                    "cpuinfo_max_freq": cluster.max_khz,
                    "cpuinfo_min_freq": cluster.min_khz,
                    "scaling_max_freq": cap,
                    "scaling_min_freq": cluster.min_khz,
                    "scaling_cur_freq": cap if self.is_fixed_performance else cluster.min_khz,
                    "scaling_governor": self._profile.governor,
                    "related_cpus": " ".join(map(str, cluster.cores)),
                }
                for name, value in values.items():
                    self._sandbox.write(f"{_CPU}/cpu{core}/cpufreq/{name}", f"{value}\n")
        last = self._profile.num_cores - 1
        for name in ("possible", "present", "online"):
            self._sandbox.write(f"{_CPU}/{name}", f"0-{last}\n")
