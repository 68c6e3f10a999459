"""What a phone prints, and the key that it knows us by."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fbsearch.devices.adb.benchmark.benchmark_output import parse_benchmark
from fbsearch.devices.adb.benchmark.perf_test_output import parse_perf_test
from fbsearch.devices.adb.link.keys import load_key
from fbsearch.devices.adb.readings.readings import parse_conditions, parse_readings
from fbsearch.errors import UnreadableFileError
from fbsearch.files import TEXT_BYTES, read_bytes
from tools.fuzz.contents import any_bytes
from tools.fuzz.kind import Kind

REPOSITORY = Path(__file__).parents[2]
_DATA = REPOSITORY / "tests/devices/adb"
_WORDS = (
    "nan",
    "inf",
    "-1",
    "1e400",
    "9" * 400,
    "\x1b[2J",
    "\x00",
    "=",
    "\r",
    "\n" * 50,
    "x" * 5000,
    "٣",
    "１",
)


def make_phones(folder: Path) -> tuple[Kind, ...]:
    """Outputs of both measuring programs, readings, and a key."""
    key = folder / "adbkey"
    load_key(key, warn=_ignore)
    readings = sorted((_DATA / "readings/data").iterdir())[0]
    printed: list[tuple[str, Path, Callable[[str], Any]]] = [
        ("TFLite's output", _DATA / "benchmark/data/benchmark_2024.txt", _benchmark),
        ("ONNX's output", _DATA / "benchmark/data/perf_test_current.txt", _perf_test),
        ("readings", readings, parse_readings),
        ("conditions", readings, parse_conditions),
    ]
    kinds = [_printed(folder, *one) for one in printed]
    return (*kinds, Kind("key", key, any_bytes, lambda path: load_key(path, warn=_ignore)))


def _printed(folder: Path, name: str, source: Path, parse: Callable[[str], Any]) -> Kind:
    path = folder / f"{source.stem}_{name.split()[0]}.txt"
    path.write_bytes(source.read_bytes())
    return Kind(name, path, lines, lambda path: parse(_text(path)))


def lines(content: bytes, rng: random.Random) -> bytes:
    """Lines lost, repeated or moved; words replaced."""
    rows = content.decode("utf-8", "replace").splitlines()
    for _ in range(rng.choice((1, 1, 2, 5))):
        place, kind = rng.randrange(len(rows)), rng.randrange(5)
        words = rows[place].split(" ")
        if kind == 0 and len(rows) > 1:
            del rows[place]
        elif kind == 1:
            rows.insert(rng.randrange(len(rows) + 1), rows[place] * rng.choice((1, 30)))
        else:
            words[rng.randrange(len(words))] = rng.choice((*_WORDS, str(rng.randrange(10**12)), ""))
            rows[place] = " ".join(words)
    return "\n".join(rows).encode("utf-8", "surrogatepass")


def _text(path: Path) -> str:
    """As the transport hands it on; what is no file of its size was never printed."""
    try:
        return read_bytes(path, most_bytes=TEXT_BYTES).decode("utf-8", "replace")
    except UnreadableFileError:
        return ""


def _benchmark(text: str) -> None:
    parse_benchmark(text, "", 0, delegate="xnnpack")


def _perf_test(text: str) -> None:
    parse_perf_test(text, "", 0, result=None)


def _ignore(line: str) -> None:
    """A warning that others can read the key."""
