"""Whatever a device prints, the parsers give what they understood or one of our errors, in one line.

Texts are valid outputs with damage done to them, and raw text and bytes. The long runs are 50,000 cases
and more together: ``pytest -m slow tests/devices/adb/test_hostile_output.py``.
"""

from __future__ import annotations

import math
import os
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fbsearch.devices.adb.benchmark.benchmark_output import LaunchFigures, parse_benchmark
from fbsearch.devices.adb.benchmark.perf_test_output import parse_perf_test
from fbsearch.devices.adb.readings import (
    CONDITIONS_SCRIPT,
    READINGS_SCRIPT,
    Battery,
    PhoneReadings,
    Thermal,
    core_mask,
    parse_battery,
    parse_conditions,
    parse_cpufreq,
    parse_getprop,
    parse_readings,
    parse_thermal,
)
from fbsearch.errors import DeviceError, FbsearchError, MeasurementError
from tests.devices.adb.benchmark.official_outputs import Launch, PerfTest, launches, perf_tests

DATA = Path(__file__).parent / "readings" / "data"
CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

quick = settings(max_examples=150, suppress_health_check=CHECKS)


def long(cases: int) -> settings:
    """Many cases; FBSEARCH_FUZZ_FACTOR multiplies them."""
    factor = float(os.environ.get("FBSEARCH_FUZZ_FACTOR", "1"))
    return settings(max_examples=max(1, round(cases * factor)), suppress_health_check=CHECKS, database=None)


NASTY = [
    *("", "\0", "\r", "\n", "\r\n", " ", "\t", "\x1b[0m", "\u2028", "\x85", "\ud800", "\U0001f4f1", "٣"),
    *(
        "nan",
        "inf",
        "-1",
        "1e400",
        "1e-400",
        "0",
        "00",
        "9" * 19,
        "9" * 5000,
        "0x1f",
        "1_000",
        "1.5.2",
        "1e",
        "-nan",
    ),
    *(
        "count=0",
        "count=1 curr=5",
        "count=3 curr=7(all same)",
        "(all same)",
        "INFO: ",
        "INFO: count=",
        "ERROR: ",
    ),
    *(
        "Inference timings in us: Init: 1, Inference (avg): 1",
        "Inference (avg): 0.01 ms (5 runs)\n",
        " p5=1 median=1 p95=1",
    ),
    *("Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.\n",),
    *(
        "== getprop\n",
        "\n== cpufreq\n",
        "== end\n",
        "[a]: [",
        "]",
        "cpu0 online=0",
        "Thermal Status: 3\n",
        "temperature: 1",
    ),
    *("%s%n", "$(reboot)", "`reboot`", "'; reboot #", "x" * 70_000),
]


@st.composite
def damaged(draw: st.DrawFn, text: str, *, num: st.SearchStrategy[int]) -> str:
    """``text`` after so many changes, each of one place."""
    for _ in range(draw(num)):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.one_of(st.integers(0, 3), st.integers(0, len(text)))))
        text = draw(
            st.sampled_from(
                [
                    text[:start] + text[end:],  # lost
                    text[:end] + text[start:],  # sent twice
                    text[:start],  # cut short
                    text[start:],
                    text[:start] + draw(st.sampled_from(NASTY)) + text[end:],
                    text[:start] + draw(st.sampled_from("0123456789.e-=: ")) + text[start + 1 :],
                    text[end:] + text[start:end] + text[:start],  # out of order
                    text[:start] + draw(st.text(max_size=8)) + text[start:],
                ]
            )
        )
    return text


def any_text() -> st.SearchStrategy[str]:
    return st.one_of(
        st.text(st.characters(), max_size=400),
        st.binary(max_size=400).map(lambda raw: raw.decode("utf-8", "replace")),
        st.binary(max_size=400).map(lambda raw: raw.decode("latin-1")),
        st.lists(st.sampled_from(NASTY), max_size=12).map("".join),
        st.lists(st.sampled_from(NASTY), max_size=12).map("\n".join),
    )


def figures_or_refusal(parse, *arguments, **options) -> LaunchFigures | None:
    try:
        figures = parse(*arguments, **options)
    except MeasurementError as error:
        check_message(error)
        return None
    known = [value for value in astuple(figures) if isinstance(value, (int, float))]
    assert all(math.isfinite(value) and value >= 0 for value in known)
    assert figures.count >= 1 and figures.latency_us > 0
    assert figures.min_us <= figures.max_us
    assert figures.min_us * (1 - 1e-4) <= figures.mean_us <= figures.max_us * (1 + 1e-4)
    return figures


def check_message(error: FbsearchError) -> None:
    message = str(error)
    assert len(message) < 1200 and message.isprintable(), message


def check_benchmark(data: st.DataObject, launch: Launch) -> None:
    """One change leaves the mean what it was, or is refused; any number of them does no harm."""
    one = data.draw(st.booleans())
    with_result = data.draw(st.booleans())
    stdout = data.draw(damaged(launch.stdout, num=st.just(1) if one else st.integers(2, 6)))
    stderr = launch.stderr if one else data.draw(damaged(launch.stderr, num=st.integers(0, 2)))
    result = launch.result if with_result else None
    if result is not None and not one and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(result)))
        result = (
            result[:place] + data.draw(st.binary(max_size=4)) + result[place + data.draw(st.integers(0, 4)) :]
        )
    figures = figures_or_refusal(
        parse_benchmark,
        stdout,
        stderr,
        data.draw(st.sampled_from([0, 0, 0, 0, 1, 134])),
        delegate=data.draw(st.sampled_from(["xnnpack", "xnnpack", "gpu", "nnapi", "none"])),
        result=result,
    )
    if figures is not None and one:
        coarse = 10.1 if launch.form == "litert" and not with_result else 0.0
        assert figures.mean_us == pytest.approx(launch.measured.mean, rel=2.1e-5, abs=max(coarse, 1e-3))


def check_perf_test(data: st.DataObject, launch: PerfTest) -> None:
    """With the result file untouched, the mean is what it was, or the output is refused."""
    intact = data.draw(st.booleans())
    stdout = data.draw(damaged(launch.stdout, num=st.integers(1, 5)))
    result = launch.result if intact else data.draw(damaged(launch.result, num=st.integers(1, 5)))
    figures = figures_or_refusal(parse_perf_test, stdout, data.draw(any_text()), 0, result=result)
    if figures is not None and intact:
        assert figures.mean_us == pytest.approx(sum(launch.seconds) / len(launch.seconds) * 1e6, rel=1e-9)
    figures_or_refusal(parse_perf_test, stdout, "", 0, result=None)


def check_raw(text: str, other: str, raw: bytes) -> None:
    """Nothing that is no output at all becomes a figure."""
    figures_or_refusal(parse_benchmark, text, other, 0, delegate="xnnpack", result=raw)
    figures_or_refusal(parse_benchmark, text, other, 0, delegate="gpu", result=None)
    figures_or_refusal(parse_perf_test, text, other, 0, result=other)
    parse_getprop(text)
    check_readings(parse_readings(text))
    parse_conditions(other)


def check_readings(readings: PhoneReadings) -> None:
    for told in (readings.identity.model, readings.identity.soc, readings.identity.machine):
        assert told is None or (told.isprintable() and 0 < len(told) <= 400)
    check_heat(readings.conditions.battery, readings.conditions.thermal)
    for core in readings.cores:
        assert core.max_khz is None or 0 < core.max_khz <= 20_000_000
    for name in ("big", "little", "all", "f0"):
        check_mask(name, readings)


def check_mask(name: str, readings: PhoneReadings) -> None:
    try:
        mask = int(core_mask(name, readings.cores), 16)
    except DeviceError as error:
        check_message(error)
    else:
        assert 0 < mask < 1 << (max(core.core for core in readings.cores) + 1)


def check_heat(battery: Battery | None, thermal: Thermal | None) -> None:
    if battery is not None:
        assert battery.level is None or 0 <= battery.level <= 100
        assert battery.temperature_celsius is None or -40 <= battery.temperature_celsius <= 200
    if thermal is not None:
        assert thermal.status is None or 0 <= thermal.status <= 6
        assert all(-40 <= value <= 200 for value in thermal.temperatures.values())


def recorded_readings() -> str:
    """What the script prints on a phone, put together from recorded answers."""
    texts = {
        name: (DATA / f"{name}.txt").read_text(encoding="utf-8")
        for name in ("battery", "thermal", "getprop", "df")
    }
    cpus = "".join(
        f"cpu{n} online=1 cpuinfo_max_freq={1803000 + n // 4 * 1000000} scaling_max_freq=1803000 "
        f"scaling_cur_freq=300000 scaling_governor=walt\n"
        for n in range(8)
    )
    sections = {
        "machine": "aarch64\n", "kernel": "5.10.43\n", "nproc": "8\n", "present": "0-7\n", "cpufreq": cpus,
        "tools": "taskset\ndumpsys\n", "folder": texts["df"], "meminfo": "MemTotal:       11584376 kB\n",
        "cpuinfo": "processor\t: 0\nCPU part\t: 0xd05\n\n", "board": "\n", "battery": texts["battery"] + "\n",
        "thermal": texts["thermal"] + "\n", "zones": "thermal_zone0 41000 cpu\n",
        "getprop": texts["getprop"] + "\n",
    }  # fmt: skip
    return "".join(f"== {name}\n{content}" for name, content in sections.items()) + "== end\n"


READINGS = recorded_readings()


def check_damaged_readings(data: st.DataObject) -> None:
    text = data.draw(damaged(READINGS, num=st.integers(1, 5)))
    check_readings(parse_readings(text))
    conditions = parse_conditions(text)
    check_heat(conditions.battery, conditions.thermal)
    check_heat(parse_battery(text), parse_thermal(text))
    parse_cpufreq(text)


def test_the_recorded_readings_are_whole():
    readings = parse_readings(READINGS)
    assert readings.is_complete and core_mask("big", readings.cores) == "f0"
    assert readings.conditions.capped_cores == (4, 5, 6, 7)
    for name in ("cpufreq", "battery", "thermal", "zones", "end"):
        assert f"echo '== {name}'" in CONDITIONS_SCRIPT and f"echo '== {name}'" in READINGS_SCRIPT


@quick
@given(st.data(), launches)
def test_damaged_benchmark_output(data, launch):
    check_benchmark(data, launch)


@quick
@given(st.data(), perf_tests)
def test_damaged_perf_test_output(data, launch):
    check_perf_test(data, launch)


@quick
@given(st.data())
def test_damaged_readings(data):
    check_damaged_readings(data)


@quick
@given(any_text(), any_text(), st.binary(max_size=200))
def test_raw_text(text, other, raw):
    check_raw(text, other, raw)


@pytest.mark.slow
@long(20_000)
@given(st.data(), launches)
def test_damaged_benchmark_output_at_length(data, launch):
    check_benchmark(data, launch)


@pytest.mark.slow
@long(12_000)
@given(st.data(), perf_tests)
def test_damaged_perf_test_output_at_length(data, launch):
    check_perf_test(data, launch)


@pytest.mark.slow
@long(10_000)
@given(st.data())
def test_damaged_readings_at_length(data):
    check_damaged_readings(data)


@pytest.mark.slow
@long(10_000)
@given(any_text(), any_text(), st.binary(max_size=200))
def test_raw_text_at_length(text, other, raw):
    check_raw(text, other, raw)


@pytest.mark.slow
@pytest.mark.parametrize(
    "filler", ["x", "0", "\0", "count=", "[", "= ", "INFO: ", "a=1 ", "cpu0 ", "9,", "\n", "== "]
)
def test_ten_megabytes(filler):
    """Regular expressions that backtrack would take hours here."""
    text = filler * (10_000_000 // len(filler))
    for stdout in (text, f"{READINGS}\n{text}", f"count=1 curr={text}"):
        figures_or_refusal(parse_benchmark, stdout, "", 0, delegate="xnnpack")
        figures_or_refusal(parse_perf_test, stdout, "", 0, result=None)
        check_readings(parse_readings(stdout))
