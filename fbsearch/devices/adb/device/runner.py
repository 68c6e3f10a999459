"""Measuring models on a phone: one launch of a benchmark binary is one round."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fbsearch.devices.adb.benchmark.launching import (
    BenchmarkModel,
    Launcher,
    LaunchLog,
    PerfTest,
)
from fbsearch.devices.adb.device.reachable import ReachablePhone
from fbsearch.devices.adb.device.session import PhoneSession
from fbsearch.devices.adb.phone.phone import Phone, Upload
from fbsearch.devices.adb.phone.upkeep import FixedPerformanceMode, held_back, restore_after_a_crash
from fbsearch.devices.adb.readings import Conditions
from fbsearch.devices.description import RuntimeDescription
from fbsearch.devices.runner import RUNTIME_FORMATS
from fbsearch.errors import DeviceError

_log = logging.getLogger(__name__)


class PhoneRunner:
    """A runtime on a phone.

    Args:
        phone: where it runs.
        description: of the runtime.
        tool: the benchmark binary that stands for the runtime.
        binary: its file here, by its name there.
    """

    is_elsewhere = True

    def __init__(
        self,
        phone: ReachablePhone,
        description: RuntimeDescription,
        tool: BenchmarkModel | PerfTest,
        binary: Path,
    ) -> None:
        self._phone = phone
        self._description = description
        self._tool = tool
        self._binary = binary
        self._active: _Active | None = None
        self._is_held_back = False

    @property
    def description(self) -> RuntimeDescription:
        """The binary, its hash, the cores and the threads."""
        return self._description

    @contextmanager
    def measuring(self, launches: Path | None = None) -> Iterator[None]:
        """Connect, bring the binary, switch on fixed-performance mode; at the end undo all of it."""
        assert self._active is None, "measuring does not nest"
        definition, log = self._phone.definition, LaunchLog(launches)
        with ExitStack() as stack:
            phone = stack.enter_context(self._phone.connected(exclusively=True))
            readings = self._phone.readings()
            can_hash = "sha256sum" in readings.tools
            launcher = Launcher(phone, self._tool, log, max_launch_s=definition.max_launch_s)
            mode = FixedPerformanceMode(readings)
            launcher.kill_leftover()  # of a run that was killed, else it would disturb this one
            restore_after_a_crash(phone)
            stack.callback(_tidy_up, lambda: self._undo(phone, launcher, mode))
            phone.upload({self._tool.binary: Upload(self._binary, is_executable=True)}, can_hash=can_hash)
            if definition.fixed_performance_mode:
                mode.enter(phone)
                self._phone.on_reconnected(mode.enter_again)
            start = phone.conditions()
            log.add({"start": asdict(start), "fixed_performance_mode": mode.is_on})
            self._phone.on_reconnected(self._bring_again)
            self._active = _Active(phone, launcher, log, start, can_hash)
            try:
                yield
            finally:
                self._active = None

    def prepare(self, models: Sequence[Path]) -> None:
        """Push those that are not there yet."""
        uploads = {}
        for model in models:
            upload = Upload(model)
            uploads[self._name_there(model, upload)] = upload
        self._bring(uploads)

    def throttling(self) -> str | None:
        """From its thermal status, its battery's temperature and its clocks' caps."""
        active = self._on()
        now = active.phone.conditions()
        reason = held_back(now, active.start, self._phone.definition)
        active.log.add({"conditions": asdict(now), "held_back": reason})
        if reason is not None and not self._is_held_back:
            _log.warning(
                "device %r is held back: %s; what is measured meanwhile is measured again",
                self._phone.name,
                reason,
            )
        self._is_held_back = reason is not None
        return reason

    def open(self, model: Path) -> PhoneSession:
        """Bring a model there.

        Raises:
            DeviceError: if it cannot be brought.
        """
        active = self._on()
        upload = Upload(model)
        name = self._name_there(model, upload)
        self._bring({name: upload})
        return PhoneSession(active.phone, active.launcher, self._tool, model, name)

    def _undo(self, phone: Phone, launcher: Launcher, mode: FixedPerformanceMode) -> None:
        """Leave the phone as it was found; where that fails, the marker in our folder stays for the next."""
        launcher.kill_leftover()
        mode.leave(phone)
        if not self._phone.definition.keep:
            phone.remove_folder()

    def _bring(self, files: Mapping[str, Upload]) -> None:
        """Upload what was not uploaded since measuring began."""
        active = self._on()
        new = {name: upload for name, upload in files.items() if name not in active.there}
        if new:
            active.phone.upload(new, can_hash=active.can_hash)
            active.there.update(new)

    def _bring_again(self, phone: Phone) -> None:
        """Upload all anew where a reboot, or whoever tidied up meanwhile, has removed our folder."""
        if self._active is None or phone.has(self._tool.binary):
            return
        _log.warning("device %r: our folder has gone from it; it is filled again", self._phone.name)
        binary = Upload(self._binary, is_executable=True)
        phone.upload({self._tool.binary: binary, **self._active.there}, can_hash=self._active.can_hash)

    def _name_there(self, model: Path, upload: Upload) -> str:
        return f"{upload.sha256[:16]}.{RUNTIME_FORMATS[self._description.name]}"

    def _on(self) -> _Active:
        assert self._active is not None, "a phone's models run within measuring()"
        return self._active


@dataclass(frozen=True)
class _Active:
    """What there is while measuring."""

    phone: Phone
    launcher: Launcher
    log: LaunchLog
    start: Conditions
    can_hash: bool
    there: dict[str, Upload] = field(default_factory=dict)


def _tidy_up(call: Callable[[], None]) -> None:
    """``call``; a phone that is gone must not hide why measuring ended."""
    try:
        call()
    except DeviceError as error:
        _log.warning("could not tidy up on the phone (%s); the next run there will", error)
