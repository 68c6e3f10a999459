"""A phone's cores: their clocks, their clusters, and masks of them for taskset."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fbsearch.devices.adb.readings.printed_text import quoted, whole_number
from fbsearch.errors import DeviceError

_CORE_LINE = re.compile(r"cpu([0-9]{1,4})((?: [a-z_]{1,30}=[^\s=]{0,40}){0,10})", re.ASCII)
_HEX_MASK = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,64})", re.ASCII)
_MAX_KHZ = 20_000_000

_LITTLE_PARTS = {"0xc05", "0xc07", "0xd01", "0xd03", "0xd04", "0xd05", "0xd46", "0xd80", "0xd88"}
"""Arm's part numbers of Cortex-A5, A7, A32, A53, A35, A55, A510, A520 and A320: the little cores."""


@dataclass(frozen=True)
class CoreFrequencies:
    """One core as cpufreq shows it; clocks in kHz, None where the phone does not tell.

    Args:
        core: its number.
        is_online: whether it takes part; a core that is hot-plugged out may come back.
        max_khz: the hardware's highest clock.
        scaling_max_khz: the highest one allowed now; below ``max_khz`` the core is held back.
        current_khz: the clock now.
        governor: what chooses it.
        part: the processor's part number, such as ``0xd05``.
    """

    core: int
    is_online: bool = True
    max_khz: int | None = None
    scaling_max_khz: int | None = None
    current_khz: int | None = None
    governor: str | None = None
    part: str | None = None

    @property
    def is_capped(self) -> bool:
        """Whether its clock is held below what the hardware reaches."""
        return (
            self.max_khz is not None
            and self.scaling_max_khz is not None
            and self.scaling_max_khz < self.max_khz
        )


@dataclass(frozen=True)
class CoreCluster:
    """Cores with one highest clock, in kHz."""

    cores: tuple[int, ...]
    max_khz: int


def parse_cpufreq(text: str) -> tuple[CoreFrequencies, ...]:
    """The cores in lines ``cpu0 online=1 cpuinfo_max_freq=1803000 …``; other lines are passed over.

    Returns:
        One record per core, by number.
    """
    cores: dict[int, CoreFrequencies] = {}
    for line in text.split("\n"):
        match = _CORE_LINE.fullmatch(line.strip()[:600])
        if match is None:
            continue
        values = dict(pair.split("=", 1) for pair in match[2].split(" ") if pair)
        core = int(match[1])
        cores.setdefault(
            core,
            CoreFrequencies(
                core=core,
                is_online=values.get("online") != "0",
                max_khz=_khz(values.get("cpuinfo_max_freq")),
                scaling_max_khz=_khz(values.get("scaling_max_freq")),
                current_khz=_khz(values.get("scaling_cur_freq")),
                governor=values.get("scaling_governor") or None,
            ),
        )
    return tuple(cores[core] for core in sorted(cores))


def parse_cpu_parts(cpuinfo: str) -> dict[int, str]:
    """Every core's part number in /proc/cpuinfo, where it has ``processor`` and ``CPU part`` lines."""
    parts: dict[int, str] = {}
    core: int | None = None
    for line in cpuinfo.split("\n"):
        name, _, value = line.partition(":")
        if name.strip() == "processor":
            core = whole_number(value.strip())
        elif name.strip() == "CPU part" and core is not None:
            parts.setdefault(core, value.strip().lower()[:20])
    return parts


def core_clusters(frequencies: Iterable[CoreFrequencies]) -> tuple[CoreCluster, ...]:
    """The cores that tell a highest clock, by that clock, the slowest cluster first."""
    clusters: dict[int, list[int]] = {}
    for core in frequencies:
        if core.max_khz is not None:
            clusters.setdefault(core.max_khz, []).append(core.core)
    return tuple(CoreCluster(tuple(sorted(clusters[khz])), khz) for khz in sorted(clusters))


def core_mask(cores: str, frequencies: Sequence[CoreFrequencies]) -> str:
    """The mask of cores for taskset: hexadecimal without ``0x``, as toybox wants it.

    ``big``: if exactly two cores share the highest clock, these; else every core above the lowest clock
    (the rule of LiteRT's ``big_little_affinity.cc``). ``little``: the cores of the lowest clock. With one
    clock for all, the processors' part numbers decide; where they too are one, all cores are ``big``
    and none is little. Cores that are offline are left out.

    Args:
        cores: ``big``, ``little``, ``all`` or a hexadecimal mask.
        frequencies: of every core of the phone.

    Raises:
        DeviceError: if the phone has no such cores, or does not tell which they are.

    Example:
        >>> slow = [CoreFrequencies(core, max_khz=1_800_000) for core in range(6)]
        >>> fast = [CoreFrequencies(core, max_khz=2_800_000) for core in (6, 7)]
        >>> core_mask("big", slow + fast)
        'c0'
    """
    if not frequencies:
        raise DeviceError(
            f"cores: {quoted(cores)}: the phone lists no core; leave 'cores' out of the device file"
        )
    if cores == "all":
        chosen = {core.core for core in frequencies}
    elif cores in ("big", "little"):
        chosen = _class_of(cores, frequencies)
    else:
        return _checked_hex(cores, frequencies)
    online = {core.core for core in frequencies if core.is_online}
    if not chosen & online:
        raise DeviceError(
            f"cores: {cores!r}: core {_listed(chosen)} is offline now; {_what_there_is(frequencies)}; "
            "wake the phone, or choose others"
        )
    return _hex(chosen & online)


def _class_of(name: str, frequencies: Sequence[CoreFrequencies]) -> set[int]:
    silent = {core.core for core in frequencies if core.max_khz is None}
    if silent:
        raise DeviceError(
            f"cores: {name!r}: core {_listed(silent)} does not tell its highest clock, so which cores are "
            f"{name} is not known; {_what_there_is(frequencies)}; give 'all' or a hexadecimal mask"
        )
    everyone = {core.core for core in frequencies}
    clusters = core_clusters(frequencies)
    little = set(clusters[0].cores)
    if len(clusters) == 1:
        little = {core.core for core in frequencies if core.part in _LITTLE_PARTS}
        if little in (set(), everyone):
            little = set()
        big = everyone - little
    elif len(clusters[-1].cores) == 2:
        big = set(clusters[-1].cores)
    else:
        big = everyone - little
    if name == "little" and not little:
        raise DeviceError(f"cores: 'little': all cores are alike; {_what_there_is(frequencies)}; give 'all'")
    return big if name == "big" else little


def _checked_hex(cores: str, frequencies: Sequence[CoreFrequencies]) -> str:
    match = _HEX_MASK.fullmatch(cores[:70])
    mask = int(match[1], 16) if match and len(cores) <= 70 else 0
    if mask == 0:
        raise DeviceError(
            f"cores: {quoted(cores)}: give 'big', 'little', 'all', or a hexadecimal mask such as 'f0', "
            f"that chooses a core; {_what_there_is(frequencies)}"
        )
    online: Mapping[int, bool] = {core.core: core.is_online for core in frequencies}
    chosen = {bit for bit in range(mask.bit_length()) if mask >> bit & 1}
    absent = {core for core in chosen if core not in online}
    asleep = {core for core in chosen if not online.get(core, True)}
    if absent or asleep:
        what = f"has no core {_listed(absent)}" if absent else f"has core {_listed(asleep)} offline now"
        raise DeviceError(f"cores: {quoted(cores)}: the phone {what}; {_what_there_is(frequencies)}")
    return _hex(chosen)


def _hex(cores: Iterable[int]) -> str:
    return format(sum(1 << core for core in set(cores)), "x")


def _what_there_is(frequencies: Sequence[CoreFrequencies]) -> str:
    clusters = core_clusters(frequencies)
    if not clusters:
        return f"the phone has cores {_listed({core.core for core in frequencies})} and tells no clocks"
    told = (f"{_listed(set(cluster.cores))} at {cluster.max_khz / 1e6:.2f} GHz" for cluster in clusters)
    return f"the phone has cores {', '.join(told)}"


def _listed(cores: set[int]) -> str:
    """Numbers as people write them, such as ``0-3,6``."""
    spans: list[list[int]] = []
    for core in sorted(cores):
        if spans and spans[-1][1] == core - 1:
            spans[-1][1] = core
        else:
            spans.append([core, core])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in spans)


def _khz(text: str | None) -> int | None:
    value = whole_number(text or "")
    return value if value is not None and 0 < value <= _MAX_KHZ else None
