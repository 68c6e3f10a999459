"""Profiling on one device, or on several phones at once, with what the command line and device files say."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fbsearch.devices import (
    RUNTIME_FORMATS,
    AdbDefinition,
    Device,
    MeasurementProtocol,
    RuntimeName,
    find_device,
)
from fbsearch.errors import DeviceError, FbsearchError, InvalidInputError
from fbsearch.export import ConversionCache, convert_operators
from fbsearch.files import check_writable
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.designing import first_operators
from fbsearch.latency.measuring.naming import default_table_path
from fbsearch.latency.measuring.progress import Display, ProfileLines
from fbsearch.latency.measuring.runtime import RuntimeChoice
from fbsearch.latency.measuring.sentinel import SENTINEL
from fbsearch.latency.measuring.settings import ModelSource, Watch
from fbsearch.latency.profiling.profiling import profile
from fbsearch.pipeline.recipe import (
    DeviceSettings,
    apply_overrides,
    given_settings,
    on_device,
    validate_settings,
)
from fbsearch.spaces import Space

Notify = Callable[[str], None]

_ORDERLY_END_S = 45.0
"""A launch under way may end, the folder on the phone be removed, a lost phone be given up."""


@dataclass(frozen=True)
class PlannedProfile:
    """One device's table to be.

    Args:
        device: where.
        settings: runtime, threads, precision.
        protocol: how.
        path: the table's file.
        num_networks: whole networks to calibrate it with; 0 for none.
    """

    device: Device
    settings: DeviceSettings
    protocol: MeasurementProtocol
    path: Path
    num_networks: int = 0


def plan_profiles(
    space: Space,
    names: Sequence[str],
    *,
    runtime: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    out: Path | None = None,
    num_networks: int = 0,
    overrides: Sequence[str] = (),
    keep: bool = False,
    notify: Notify | None = None,
) -> list[PlannedProfile]:
    """What profiling on these devices means; none is contacted.

    Args:
        space: to be measured.
        names: of the devices.
        runtime: None for what each device's file says.
        threads: likewise.
        precision: likewise.
        out: the table's file, or the folder of several; None for the default path of each.
        num_networks: whole networks to calibrate with; 0 for none.
        overrides: ``name=value`` of the measurement protocol.
        keep: leave our folder on the phones.
        notify: told, after the device's name, what a person should know or do; None leaves it to the log.

    Raises:
        DeviceError: if a device is not known, or this computer is to be measured among others.
        InvalidInputError: if a setting is wrong, or two devices would write one table.
    """
    is_alone = len(names) == 1
    if not is_alone and out is not None and (out.suffix == ".json" or out.is_file()):
        raise InvalidInputError(f"--out {out}: {len(names)} devices give as many tables: name a folder")
    plans = []
    for name in names:
        device = find_device(name, keep=keep, notify=None if is_alone else _told(notify, name))
        if not is_alone and not isinstance(device.definition, AdbDefinition):
            raise DeviceError(
                f"device {name!r} is this computer, which serves the phones meanwhile: profile it by itself"
            )
        settings = on_device(given_settings(name, runtime, threads, precision), device.definition)
        protocol = validate_settings(
            MeasurementProtocol,
            apply_overrides(device.definition.protocol.model_dump(), overrides),
            source="profile",
        )
        path = _path(space, device, settings, out, is_alone)
        plans.append(PlannedProfile(device, settings, protocol, path, num_networks))
    _check_distinct(plans)
    return plans


def run_profiles(
    space: Space,
    plans: Sequence[PlannedProfile],
    *,
    jobs: int | None,
    seed: int,
    progress: bool,
    notify: Notify,
) -> dict[str, LatencyTable]:
    """Measure ``space`` on every device: alone as it is, several side by side once everything is converted.

    Args:
        space: what to measure.
        plans: where, how and into which files.
        jobs: conversions side by side; None for as many as pay.
        seed: of the order of measuring.
        progress: bars for one device, lines for several.
        notify: takes lines.

    Returns:
        The tables by the names of the devices.

    Raises:
        DeviceError: if devices failed, naming them; the others' tables are written.
        FbsearchError: as profiling raises it, for a single device.
    """
    for plan in plans:
        check_writable(plan.path.parent)
    if len(plans) == 1:
        return {plans[0].device.name: _profile(space, plans[0], jobs=jobs, seed=seed, progress=progress)}
    _convert(space, plans, jobs, seed, notify)
    return _side_by_side(space, plans, seed, notify, shows=progress)


def _profile(
    space: Space,
    plan: PlannedProfile,
    *,
    seed: int,
    jobs: int | None = None,
    progress: bool | None = None,
    display: Display | None = None,
    stop: threading.Event | None = None,
) -> LatencyTable:
    return profile(
        space,
        plan.device,
        out=plan.path,
        how=RuntimeChoice(plan.settings.runtime, plan.settings.threads, plan.settings.precision),
        protocol=plan.protocol,
        num_networks=plan.num_networks,
        models=ModelSource(jobs=jobs),
        seed=seed,
        watch=Watch(progress, display, stop),
    )


def _convert(
    space: Space, plans: Sequence[PlannedProfile], jobs: int | None, seed: int, notify: Notify
) -> None:
    """Fill the cache first: every device needs the same models, each converted once."""
    cache = ConversionCache()
    first = first_operators(space, num_networks=plans[0].num_networks, seed=seed)
    operators = [*(op for op in first if not op.is_free), SENTINEL]
    kinds = ((RUNTIME_FORMATS[plan.settings.runtime], plan.settings.precision) for plan in plans)
    for model_format, precision in dict.fromkeys(kinds):
        missing = sum(not cache.path(op, model_format, precision).exists() for op in operators)
        if missing:
            notify(f"converting {missing} models to {model_format} in {precision} before measuring")
        convert_operators(operators, model_format, cache, precision=precision, jobs=jobs)


@dataclass
class _Worker:
    """What becomes of one device's thread.

    ``is_done`` stands for the thread's own join and is_alive: Python before 3.13 takes a thread for ended
    when Ctrl-C interrupts a join with a time limit (bpo-45274).
    """

    plan: PlannedProfile
    table: LatencyTable | None = None
    error: BaseException | None = None
    is_done: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        return self.plan.device.name


def _side_by_side(
    space: Space, plans: Sequence[PlannedProfile], seed: int, notify: Notify, *, shows: bool
) -> dict[str, LatencyTable]:
    stop = threading.Event()
    workers = [_Worker(plan) for plan in plans]
    with _logs_named({worker.name for worker in workers}):
        try:
            for worker in workers:
                # A daemon, so that a second Ctrl-C ends the program whatever a phone does.
                threading.Thread(
                    target=_work,
                    args=(worker, space, seed, notify, stop, shows),
                    name=worker.name,
                    daemon=True,
                ).start()
            for worker in workers:
                worker.is_done.wait()
        except KeyboardInterrupt:
            stop.set()
            _end_in_order(workers, notify)
            raise
    return _results(workers)


def _work(
    worker: _Worker,
    space: Space,
    seed: int,
    notify: Notify,
    stop: threading.Event,
    shows: bool,
) -> None:
    plan, tell = worker.plan, _told(notify, worker.name)
    try:
        worker.table = _profile(
            space,
            plan,
            seed=seed,
            display=partial(ProfileLines, notify=tell if shows else _ignored),
            stop=stop,
        )
        tell(
            f"{plan.path}: {len(worker.table.entries)} operators; "
            f"measuring {worker.table.seconds.measuring:.0f} s"
        )
    except BaseException as error:  # judged in the main thread
        worker.error = error
        if isinstance(error, FbsearchError):
            tell(f"failed: {error}")
    finally:
        worker.is_done.set()


def _end_in_order(workers: Sequence[_Worker], notify: Notify) -> None:
    """Let the launches under way end and the phones be tidied up."""
    notify("stopping once the launches under way have ended; Ctrl-C again leaves at once")
    end = time.monotonic() + _ORDERLY_END_S
    for worker in workers:
        if not worker.is_done.wait(max(0.0, end - time.monotonic())):
            notify(f"{worker.name}: does not answer; what is left on it, the next run there will tidy up")


def _results(workers: Sequence[_Worker]) -> dict[str, LatencyTable]:
    for worker in workers:
        if worker.error is not None and not isinstance(worker.error, FbsearchError):
            raise worker.error
    failed = [worker for worker in workers if worker.error is not None]
    if failed:
        reasons = "; ".join(f"{worker.name} ({worker.error})" for worker in failed)
        raise DeviceError(
            f"{len(failed)} of {len(workers)} devices failed: {reasons}. What was measured is kept: "
            "the same command with these devices alone goes on there"
        )
    return {worker.name: worker.table for worker in workers if worker.table is not None}


@contextlib.contextmanager
def _logs_named(devices: Collection[str]) -> Iterator[None]:
    """Lines of the log that come out of a device's thread begin with its name, which is the device's."""

    def name(record: logging.LogRecord) -> bool:
        if record.threadName in devices and not getattr(record, "is_named", False):
            record.msg, record.args = f"{record.threadName}: {record.getMessage()}", None
            record.is_named = True
        return True

    handlers = list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(name)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(name)


def _told(notify: Notify | None, name: str) -> Notify:
    tell = notify if notify is not None else logging.getLogger(__name__).warning
    return lambda line: tell(f"{name}: {line}")


def _ignored(line: str) -> None:
    """A line that nobody asked for."""


def _path(space: Space, device: Device, settings: DeviceSettings, out: Path | None, is_alone: bool) -> Path:
    if out is not None and is_alone and not out.is_dir():
        return out
    runtime: RuntimeName = settings.runtime
    path = default_table_path(
        space,
        device=device.name,
        runtime=runtime,
        threads=settings.threads,
        precision=settings.precision,
    )
    return path if out is None else out / path.name


def _check_distinct(plans: Sequence[PlannedProfile]) -> None:
    for index, plan in enumerate(plans):
        for other in plans[:index]:
            if plan.path == other.path:
                raise InvalidInputError(
                    f"devices {other.settings.name!r} and {plan.settings.name!r} would both write "
                    f"{plan.path}: name each device once, and give their files different names"
                )
            place = _place(plan)
            if place is not None and place == _place(other):
                raise InvalidInputError(
                    f"devices {other.settings.name!r} and {plan.settings.name!r} are one phone ({place}), "
                    "which measures one table at a time: profile them one after the other"
                )


def _place(plan: PlannedProfile) -> str | None:
    """Which phone a table is to be measured on, as far as its file tells."""
    definition = plan.device.definition
    return definition.place if isinstance(definition, AdbDefinition) else None
