"""What ``benchmark_model`` computes from its latencies, as text and as a protocol buffer."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass


class Statistics:
    """Integer latencies in microseconds.

    Args:
        values: of every run, in order.
    """

    def __init__(self, values: list[int]) -> None:
        self._values = values
        self._sorted = sorted(values)

    @property
    def count(self) -> int:
        return len(self._values)

    @property
    def first(self) -> int:
        return self._values[0] if self._values else 0

    @property
    def min(self) -> int:
        return self._sorted[0]

    @property
    def max(self) -> int:
        return self._sorted[-1]

    @property
    def mean(self) -> float:
        return sum(self._values) / self.count if self._values else math.nan

    @property
    def std(self) -> int:
        """Of the population, cut to an integer."""
        mean = self.mean
        return int(math.sqrt(max(sum(v * v for v in self._values) / self.count - mean * mean, 0.0)))

    def percentile(self, percent: int) -> int:
        """The value at that share of the sorted ones; 0 where there is none."""
        return self._sorted[self.count * percent // 100] if self._values else 0

    def text(self, *, with_percentiles: bool) -> str:
        """The line that begins with ``count=``."""
        if not self._values:
            text = "count=0"
        elif self.min == self.max:
            text = f"count={self.count} curr={self._values[-1]}{'(all same)' if self.count > 1 else ''}"
        else:
            text = (
                f"count={self.count} first={self.first} curr={self._values[-1]} min={self.min} max={self.max}"
                f" avg={number(self.mean)} std={self.std}"
            )
        if with_percentiles:
            p5, median, p95 = (self.percentile(percent) for percent in (5, 50, 95))
            text += f" p5={p5} median={median} p95={p95}"
        return text


def number(value: float) -> str:
    """A floating-point number as C++ streams print it: six digits, an exponent when it is large."""
    return f"{value:g}"


@dataclass(frozen=True)
class Result:
    """A whole benchmark.

    Args:
        init_us: loading and preparing the model.
        warmup: the first runs.
        measured: the runs that count.
        model_bytes: size of the model file.
        init_footprint_kb: growth of memory up to the first run.
        overall_footprint_kb: growth up to the last one.
    """

    init_us: int
    warmup: Statistics
    measured: Statistics
    model_bytes: int
    init_footprint_kb: int
    overall_footprint_kb: int


def encode(result: Result) -> bytes:
    """The proto2 message BenchmarkResult: latencies (2, ms), memory (3, kB) and the rest (4).

    Latency: avg=1 min=2 max=3 stddev=4 median=5 p5=6 p95=7 init=8 first_inference=9 average_warm_up=10.
    Rest: model_size_mb=1, num_runs=2, num_warmup_runs=3.
    """
    measured = result.measured
    spread = (measured.min, measured.max, measured.std) if measured.count else (0, 0, 0)
    latencies_us = [measured.mean, *spread, *(measured.percentile(percent) for percent in (50, 5, 95))]
    latencies_us += [result.init_us, result.warmup.first, result.warmup.mean]
    latency = b"".join(_float(field, value / 1000) for field, value in enumerate(latencies_us, start=1))
    memory = _integer(1, result.init_footprint_kb) + _integer(2, result.overall_footprint_kb)
    rest = (
        _float(1, result.model_bytes / 1e6) + _integer(2, measured.count) + _integer(3, result.warmup.count)
    )
    return _message(2, latency) + _message(3, memory) + _message(4, rest)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value & 0xFFFFFFFFFFFFFFFF)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
