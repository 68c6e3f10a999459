"""Outputs of benchmark_model and onnxruntime_perf_test as the tools format them, made from raw latencies."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

BenchmarkForm = Literal["2019", "2020", "2024", "current", "litert"]
_TAKEN = (
    "Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the delegate."
)
FORMS: tuple[BenchmarkForm, ...] = ("2019", "2020", "2024", "current", "litert")


def cpp(value: float) -> str:
    """A double as C++ streams print it by default: six significant digits."""
    return f"{value:.6g}"


@dataclass(frozen=True)
class Loop:
    """A loop of invocations: latencies in whole microseconds."""

    values: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        return sum(self.values) / self.count

    @property
    def std(self) -> int:
        return int(math.sqrt(max(0, sum(v * v for v in self.values) // len(self.values) - int(self.mean**2))))

    def percentile(self, share: int) -> int:
        return sorted(self.values)[len(self.values) * share // 100]

    def line(self, *, percentiles: bool) -> str:
        values, count = self.values, len(self.values)
        if min(values) == max(values):
            text = f"count={count} curr={values[-1]}" + ("(all same)" if count > 1 else "")
        else:
            text = (
                f"count={count} first={values[0]} curr={values[-1]} min={min(values)} max={max(values)} "
                f"avg={cpp(self.mean)} std={self.std}"
            )
        if percentiles:
            p5, median, p95 = (self.percentile(share) for share in (5, 50, 95))
            text += f" p5={p5} median={median} p95={p95}"
        return text


@dataclass(frozen=True)
class Launch:
    """One launch of benchmark_model, from which every form of its output can be printed."""

    form: BenchmarkForm
    warm_up: Loop
    measured: Loop
    init_us: int
    says_xnnpack: bool

    @property
    def has_percentiles(self) -> bool:
        return self.form in ("current", "litert")

    @property
    def stdout(self) -> str:
        prefix = "" if self.form in ("2019", "2020") else "INFO: "
        end = " but terminate if exceeding 150 seconds." if self.form != "2019" else ""
        lines = [
            "STARTING!",
            "Num threads: [1]",
            "Graph: [/data/local/tmp/fbsearch/count=1 curr=5.tflite]",
            "Loaded model /data/local/tmp/fbsearch/block.tflite",
            *([_TAKEN] if self.says_xnnpack else []),
            "The input model file size (MB): 0.0213",
            f"Initialized session in {cpp(self.init_us / 1000)}ms.",
            f"Running benchmark for at least 1 iterations and at least 0.5 seconds{end}",
            self.warm_up.line(percentiles=self.has_percentiles) + "\n",
            f"Running benchmark for at least 50 iterations and at least 1 seconds{end}",
            self.measured.line(percentiles=self.has_percentiles) + "\n",
        ]
        warm, mean = cpp(self.warm_up.mean), cpp(self.measured.mean)
        if self.form == "2019":
            lines.append(
                f"Average inference timings in us: Warmup: {warm}, Init: {self.init_us}, no stats: {mean}"
            )
        elif self.form != "litert":
            lines.append(
                f"Inference timings in us: Init: {self.init_us}, First inference: {self.warm_up.values[0]}, "
                f"Warmup (avg): {warm}, Inference (avg): {mean}"
            )
            lines.append("Memory footprint delta from the start of the tool (MB): init=3.5 overall=4.5")
        return "".join(f"{prefix}{line}\n" for line in lines)

    @property
    def stderr(self) -> str:
        if self.form != "litert":
            return ""
        return "".join(
            f"INFO: [benchmark_litert_model.h:80] {line}\n"
            for line in (
                "\n========== BENCHMARK RESULTS ==========",
                f"Warmup (avg):         {self.warm_up.mean / 1000:.2f} ms ({self.warm_up.count} runs)",
                f"Inference (avg):      {self.measured.mean / 1000:.2f} ms ({self.measured.count} runs)",
            )
        )

    @property
    def result(self) -> bytes:
        """The result file: floats in milliseconds, among fields that no reader knows."""
        m, w = self.measured, self.warm_up
        latencies = (m.mean, min(m.values), max(m.values), m.std, *(m.percentile(s) for s in (50, 5, 95)))
        latencies = (*latencies, self.init_us, w.values[0], w.mean)
        latency = b"".join(
            varint(number << 3 | 5) + struct.pack("<f", value / 1000)
            for number, value in enumerate(latencies, 1)
        )
        misc = bytes([1 << 3 | 5]) + struct.pack("<f", 0.02) + bytes([2 << 3]) + varint(len(m.values))
        return message(2, latency) + message(3, b"\x08\x07") + message(4, misc) + b"\xa1\x06" + b"\0" * 8


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def loops(*, max_us: int = 5_000_000) -> st.SearchStrategy[Loop]:
    """Loops of one value, of equal values, and of any values around one latency."""
    base = st.one_of(st.integers(1, 200), st.integers(1, max_us))
    spread = st.one_of(
        st.just([0]),
        st.integers(1, 5000).map(lambda count: [0] * count),
        st.lists(st.integers(0, 60), min_size=1, max_size=40),
    )
    return st.builds(lambda b, s: Loop(tuple(b + b * x // 100 for x in s)), base, spread)


launches: st.SearchStrategy[Launch] = st.builds(
    Launch,
    form=st.sampled_from(FORMS),
    warm_up=loops(),
    measured=loops(),
    init_us=st.integers(0, 10**8),
    says_xnnpack=st.booleans(),
)


@dataclass(frozen=True)
class PerfTest:
    """One launch of onnxruntime_perf_test."""

    form: Literal["2019", "2021", "current"]
    seconds: tuple[float, ...]
    model: str

    @property
    def stdout(self) -> str:
        colon = ": " if self.form == "current" else ":"
        total, count = sum(self.seconds), len(self.seconds)
        mean = cpp(total / count * 1000)
        if self.form == "2019":
            return f"Total time cost:{cpp(total)}\nTotal iterations:{count}\nAverage time cost:{mean} ms\n"
        lines = [
            f"Session creation time cost{colon}0.0123 s",
            *(["First inference time cost: 66 ms"] if self.form == "current" else []),
            f"Total inference time cost{colon}{cpp(total)} s",
            f"Total inference requests{colon}{count}",
            f"Average inference time cost{colon}{mean} ms",
            f"Avg CPU usage{colon}11 %",
            f"Runs:{count}",
            *self.statistics,
        ]
        return "".join(f"{line}\n" for line in lines)

    @property
    def statistics(self) -> list[str]:
        ordered = sorted(self.seconds)
        told = {"Min": ordered[0], "Max": ordered[-1]}
        told |= {f"P{p}": ordered[len(ordered) * p // 100] for p in (50, 90, 95, 99)}
        shape = "{} Latency: {} s" if self.form == "current" else "{} Latency is {}sec"
        return [shape.format(name, cpp(value)) for name, value in told.items()]

    @property
    def result(self) -> str:
        rows = [f"{self.model},{cpp(value)},52428800,11,{n}" for n, value in enumerate(self.seconds)]
        return "".join(f"{row}\n" for row in [*rows, *([] if self.form == "2019" else self.statistics)])


perf_tests: st.SearchStrategy[PerfTest] = st.builds(
    PerfTest,
    form=st.sampled_from(("2019", "2021", "current")),
    seconds=st.lists(st.floats(1e-6, 10).map(lambda v: float(cpp(v))), min_size=1, max_size=30).map(tuple),
    model=st.sampled_from(["block", "block,with,commas", "a, 5,7", "", "modèle"]),
)
