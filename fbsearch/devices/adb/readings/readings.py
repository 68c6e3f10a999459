"""What a phone tells about itself, asked with one script and thus in one round trip.

The parsers take any text and give what they understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fbsearch.devices.adb.readings.cores import (
    CoreCluster,
    CoreFrequencies,
    core_clusters,
    parse_cpu_parts,
    parse_cpufreq,
)
from fbsearch.devices.adb.readings.identity import PhoneIdentity, identity_of, parse_getprop
from fbsearch.devices.adb.readings.printed_text import whole_number
from fbsearch.devices.adb.readings.scripts import (
    CONDITIONS_ORDER,
    READINGS_ORDER,
    TOOLS,
)
from fbsearch.devices.adb.readings.thermal import (
    Battery,
    Thermal,
    parse_battery,
    parse_thermal,
    parse_thermal_zones,
)

_LONGEST_ANSWER = 4_000_000
"""Characters; a phone's properties are some 60,000."""


@dataclass(frozen=True)
class Conditions:
    """What may change while a phone measures.

    Args:
        cores: their clocks now.
        battery: None where there is none, or it is not told.
        thermal: from the thermal service, or else the kernel's zones; None where neither tells.
        is_complete: False where the answer was cut short.
    """

    cores: tuple[CoreFrequencies, ...] = ()
    battery: Battery | None = None
    thermal: Thermal | None = None
    is_complete: bool = False

    @property
    def capped_cores(self) -> tuple[int, ...]:
        """Cores whose clock is held below what the hardware reaches: by heat, or by a power mode."""
        return tuple(core.core for core in self.cores if core.is_capped)


@dataclass(frozen=True)
class PhoneReadings:
    """Everything a phone tells about itself; None and empty are what it does not tell.

    Args:
        identity: who it is.
        conditions: its cores, battery and heat at the time of asking.
        num_cores: cores that are there, online or not.
        tools: which of :data:`TOOLS` it has.
        memory_bytes: main memory.
        free_bytes: free space where our folder lies.
        properties: all of ``getprop``.
        is_complete: False where the answer was cut short.
    """

    identity: PhoneIdentity
    conditions: Conditions
    num_cores: int | None
    tools: frozenset[str]
    memory_bytes: int | None
    free_bytes: int | None
    properties: Mapping[str, str]
    is_complete: bool

    @property
    def cores(self) -> tuple[CoreFrequencies, ...]:
        """Every core, by number."""
        return self.conditions.cores

    @property
    def clusters(self) -> tuple[CoreCluster, ...]:
        """The cores by highest clock, the slowest cluster first."""
        return core_clusters(self.conditions.cores)


def parse_conditions(text: str) -> Conditions:
    """What :data:`CONDITIONS_SCRIPT` printed."""
    sections, is_complete = _sections(text, CONDITIONS_ORDER)
    return _conditions(sections, is_complete)


def parse_readings(text: str) -> PhoneReadings:
    """What :data:`READINGS_SCRIPT` printed."""
    sections, is_complete = _sections(text, READINGS_ORDER)
    properties = parse_getprop(sections["getprop"])
    parts = parse_cpu_parts(sections["cpuinfo"])
    conditions = _conditions(sections, is_complete)
    cores = tuple(replace(core, part=parts.get(core.core)) for core in conditions.cores)
    return PhoneReadings(
        identity=identity_of(
            properties,
            machine=_one_line(sections["machine"]),
            kernel=_one_line(sections["kernel"]),
            board_model=_one_line(sections["board"]) or _processor(sections["cpuinfo"]),
        ),
        conditions=replace(conditions, cores=cores),
        num_cores=len(cores) or _num_present(sections["present"]) or _count(sections["nproc"]),
        tools=frozenset(sections["tools"].split()) & frozenset(TOOLS),
        memory_bytes=_memory(sections["meminfo"]),
        free_bytes=_free(sections["folder"]),
        properties=properties,
        is_complete=is_complete,
    )


def _conditions(sections: Mapping[str, str], is_complete: bool) -> Conditions:
    thermal = parse_thermal(sections["thermal"])
    zones = parse_thermal_zones(sections["zones"])
    if thermal is None:
        thermal = zones
    elif zones is not None and not thermal.temperatures:
        thermal = replace(thermal, temperatures=zones.temperatures, source=zones.source)
    return Conditions(
        cores=parse_cpufreq(sections["cpufreq"]),
        battery=parse_battery(sections["battery"]),
        thermal=thermal,
        is_complete=is_complete,
    )


def _sections(text: str, order: Sequence[str]) -> tuple[dict[str, str], bool]:
    """The sections by name, and whether the end is there.

    A heading counts only in its place in the order, so that no content can pose as an earlier section.
    """
    sections = dict.fromkeys(order, "")
    text = text[:_LONGEST_ANSWER]
    body, end, after = text.replace("\r\n", "\n").rpartition("\n== end")
    is_complete = bool(end) and not after.strip()
    rest = "\n" + (body if is_complete else text)
    starts = []
    position = 0
    for name in order:
        heading = f"\n== {name}\n"
        found = rest.find(heading, position)
        if found >= 0:
            starts.append((name, found, found + len(heading) - 1))
            position = found + len(heading) - 1
    for index, (name, _, start) in enumerate(starts):
        end_of_section = starts[index + 1][1] if index + 1 < len(starts) else len(rest)
        sections[name] = rest[start + 1 : end_of_section]
    return sections, is_complete


def _one_line(text: str) -> str | None:
    first = text.replace("\0", "").strip().split("\n")[0][:200].strip()
    return "".join(char if char.isprintable() else "?" for char in first) or None


def _processor(cpuinfo: str) -> str | None:
    for line in cpuinfo.split("\n"):
        name, _, value = line[:300].partition(":")
        if name.strip() in ("Model", "Hardware", "model name") and (told := _one_line(value)):
            return told
    return None


def _count(text: str) -> int | None:
    value = whole_number(text.strip()[:20])
    return value if value and value <= 4096 else None


def _num_present(text: str) -> int | None:
    """Cores in a list such as ``0-7`` or ``0-3,6``."""
    total = 0
    for part in text.strip()[:200].split(","):
        low, dash, high = part.partition("-")
        first, last = whole_number(low), whole_number(high if dash else low)
        if first is None or last is None or not first <= last < 4096:
            return None
        total += last - first + 1
    return total if total <= 4096 else None


def _memory(text: str) -> int | None:
    for line in text.split("\n"):
        words = line[:100].split()
        if len(words) == 3 and words[0] == "MemTotal:" and words[2] == "kB":
            kib = whole_number(words[1])
            return kib * 1024 if kib else None
    return None


def _free(text: str) -> int | None:
    """The column ``Avail…`` of df, in KiB; a long name of the source may stand on a line of its own."""
    lines = [line[:500].split() for line in text.strip().split("\n")[:4]]
    if len(lines) < 2:
        return None
    values = [word for words in lines[1:] for word in words]
    heading = " ".join(lines[0]).lower()
    if "avail" not in heading or ("1k" not in heading and "kb" not in heading and "1024" not in heading):
        return None
    free = whole_number(values[3]) if len(values) >= 4 else None
    return None if free is None else free * 1024
