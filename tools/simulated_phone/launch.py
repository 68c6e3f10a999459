"""One launch of a simulated program: what it is asked, where it writes, which fault it meets."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tools.simulated_phone.profile import BenchmarkFormat


class ProgramFailedError(Exception):
    """The program ends with an error.

    Args:
        lines: what it says on standard error.
        exit_code: 1, or 134 where the official tool aborts.
    """

    def __init__(self, *lines: str, exit_code: int = 1) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines
        self.exit_code = exit_code


@dataclass
class Launch:
    """One launch, as the phone hands it to the process that carries it out.

    Args:
        program: ``benchmark_model`` or ``onnxruntime_perf_test``.
        name: the path by which it was called.
        arguments: of its command line.
        folder: where it was called.
        slowdown: how much longer the model takes than the machine needs.
        benchmark_format: age of the benchmark binary.
        accelerators: what becomes of requests for ``GPU`` and ``NNAPI``.
        unknown_operators: that this binary lacks.
        fault: kind and variant of what goes wrong, or nothing.
    """

    program: str
    name: str
    arguments: list[str]
    folder: str
    slowdown: float
    benchmark_format: BenchmarkFormat
    accelerators: dict[str, str]
    unknown_operators: list[str] = field(default_factory=list)
    fault: str = ""
    variant: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As it goes to the other process."""
        return asdict(self)

    def out(self, text: str) -> None:
        """Write to standard output at once, as the tools do after every line."""
        if self.fault in ("truncated_output", "garbage_output"):
            self._kept = getattr(self, "_kept", "") + text
        else:
            _write(1, text)

    def err(self, text: str) -> None:
        """Write to standard error."""
        _write(2, text)

    def fault_after_start(self) -> None:
        """Hang, if this launch is to hang: silent until somebody ends it."""
        while self.fault == "hung_binary":
            time.sleep(60)

    def write_file(self, path: str, content: bytes) -> bool:
        """Write a file. On a full disk it comes out empty, and the tools do not notice."""
        try:
            Path(path).write_bytes(b"" if self.fault == "disk_full" else content)
        except OSError:
            return False
        return True

    def finish(self) -> None:
        """Let out what was kept in order to spoil it."""
        text = getattr(self, "_kept", None)
        if text is not None:
            os.write(1, spoiled(text, self.fault, self.variant))


def spoiled(text: str, fault: str, variant: str) -> bytes:
    """Output as a fault leaves it."""
    lines = text.splitlines(keepends=True)
    counts = [index for index, line in enumerate(lines) if "count=" in line]
    last = counts[-1] if counts else len(lines) - 1
    if fault == "truncated_output":
        if variant == "empty":
            return b""
        if variant == "warm-up":
            return "".join(lines[:last]).encode()
        cut = lines[last][: max(2 * len(lines[last]) // 3, 1)].rstrip("\n")
        return ("".join(lines[:last]) + cut).encode()
    if variant == "nan":
        lines[last] = _with_values(lines[last], "nan")
    elif variant == "negative":
        lines[last] = _with_values(lines[last], "-17")
    elif variant == "count0":
        lines[last] = lines[last].partition("count=")[0] + "count=0\n"
    else:
        noise = bytes(range(256)) * 4
        return "".join(lines[:last]).encode() + noise + b"\xff\xfecount=\x00\x17 avg=\xf0\n"
    return "".join(lines).encode()


def _with_values(line: str, value: str) -> str:
    words = line.rstrip("\n").split(" ")
    kept = [w if "=" not in w or w.startswith("count=") else w.partition("=")[0] + f"={value}" for w in words]
    return " ".join(kept) + "\n"


def _write(descriptor: int, text: str) -> None:
    view = memoryview(text.encode("utf-8", errors="surrogateescape"))
    while view:
        view = view[os.write(descriptor, view) :]
