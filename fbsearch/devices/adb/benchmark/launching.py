"""Launching a benchmark binary on a phone: command lines, limits, and a record of every launch."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol, TypeVar

from fbsearch.devices.adb.benchmark.benchmark_output import parse_benchmark
from fbsearch.devices.adb.benchmark.launch_figures import LaunchFigures
from fbsearch.devices.adb.benchmark.perf_test_output import parse_perf_test
from fbsearch.devices.adb.link.quoting import quote
from fbsearch.devices.adb.phone.phone import Phone
from fbsearch.devices.definition import Delegate
from fbsearch.errors import ConnectionTimeoutError, DeviceError, LaunchRefusedError, MeasurementError

_PID = "launch.pid"
_ORT_RESULT = "launch.csv"
_ATTEMPTS = 3
_GRACE_S = 30.0
_COARSE_US = 200.0
"""Below this, a median in whole microseconds is coarser than the protocol's aim."""

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class LaunchSettings:
    """How models are launched.

    Args:
        threads: of the tool.
        mask: of cores, for taskset; None leaves the choice to the system.
        delegate: of TFLite.
        warmup_ms: untimed, at the start.
        max_launch_s: longest timed part.
    """

    threads: int
    mask: str | None
    delegate: Delegate
    warmup_ms: float
    max_launch_s: float


class Tool(Protocol):
    """A benchmark binary on the phone."""

    def command(self, model: str, num_runs: int) -> str:
        """The shell text that launches it on a model's file in our folder."""
        ...

    def figures(self, phone: Phone, stdout: str, stderr: str, exit_code: int) -> LaunchFigures:
        """What it measured.

        Raises:
            MeasurementError: if that cannot be told.
        """
        ...


@dataclass(frozen=True)
class BenchmarkModel:
    """TFLite's ``benchmark_model``."""

    binary: str
    settings: LaunchSettings

    def command(self, model: str, num_runs: int) -> str:
        """Timed runs by number, the warm-up by time."""
        return self._command(
            model,
            f"--num_runs={num_runs}",
            f"--max_secs={self.settings.max_launch_s:g}",
            f"--warmup_min_secs={self.settings.warmup_ms / 1000:g}",
        )

    def figures(self, phone: Phone, stdout: str, stderr: str, exit_code: int) -> LaunchFigures:
        """From what it printed; operators that XNNPACK leaves run on the same processor."""
        delegate = self.settings.delegate
        return parse_benchmark(
            stdout, stderr, exit_code, delegate=delegate, may_be_partial=delegate == "xnnpack"
        )

    def output_command(
        self, model: str, input_name: str, shape: tuple[int, ...], files: tuple[str, str]
    ) -> str:
        """One inference of the first file as input, whose output goes to the second."""
        given, answer = files
        return self._command(
            model,
            "--num_runs=1",
            "--warmup_min_secs=0",
            f"--input_layer={input_name}",
            f"--input_layer_shape={','.join(map(str, shape))}",
            f"--input_layer_value_files={input_name}:{given}",
            f"--output_filepath={answer}",
        )

    def _command(self, model: str, *flags: str) -> str:
        """What every launch has, and its own flags."""
        always = [
            f"--graph={model}",
            f"--num_threads={self.settings.threads}",
            "--min_secs=0",
            "--warmup_runs=1",
        ]
        delegate = _DELEGATE_FLAGS[self.settings.delegate]
        return _pinned(self.settings.mask, [f"./{self.binary}", *always, *flags, *delegate])


@dataclass(frozen=True)
class PerfTest:
    """ONNX Runtime's ``onnxruntime_perf_test``."""

    binary: str
    settings: LaunchSettings

    def command(self, model: str, num_runs: int) -> str:
        """Runs by number, on generated input, one operator at a time."""
        threads = str(self.settings.threads)
        words = [f"./{self.binary}", "-I", "-m", "times", "-r", str(num_runs), "-x", threads, "-y", "1"]
        return f"rm -f {_ORT_RESULT}; " + _pinned(self.settings.mask, [*words, model, _ORT_RESULT])

    def figures(self, phone: Phone, stdout: str, stderr: str, exit_code: int) -> LaunchFigures:
        """From what it printed and from its file, which holds every run."""
        rows = phone.pull(_ORT_RESULT).decode("utf-8", "replace") if exit_code == 0 else None
        return parse_perf_test(stdout, stderr, exit_code, result=rows)


_DELEGATE_FLAGS: Mapping[Delegate, tuple[str, ...]] = {
    "xnnpack": ("--use_xnnpack=true",),
    "gpu": ("--use_gpu=true", "--require_full_delegation=true"),
    "nnapi": ("--use_nnapi=true", "--require_full_delegation=true"),
    # Left out, XNNPACK is applied all the same.
    "none": ("--use_xnnpack=false",),
}


class LaunchLog:
    """A file of JSON lines: every launch's figures and every reading of the phone's conditions.

    Args:
        path: added to; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row with the time.

        Raises:
            DeviceError: if the file cannot be written.
        """
        if self._path is None:
            return
        line = {"at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"), **row}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise DeviceError(
                f"{self._path}: cannot write the record of launches: {error.strerror or error}"
            ) from None


class Launcher:
    """Launches a tool, again where a launch hangs, crashes or prints what cannot be read.

    Args:
        phone: with the binary and the models in our folder.
        tool: the binary.
        log: keeps every launch.
        max_launch_s: of the timed part; a launch may take a multiple of it.
        pause: waits some seconds.
    """

    def __init__(
        self,
        phone: Phone,
        tool: Tool,
        log: LaunchLog,
        *,
        max_launch_s: float,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._phone = phone
        self._tool = tool
        self._log = log
        self._limit_s = 2 * max_launch_s + _GRACE_S
        self._pause = pause

    def launch(self, model: str, num_runs: int, *, label: str) -> LaunchFigures:
        """The figures of one good launch.

        Args:
            model: its file in our folder.
            num_runs: timed runs.
            label: the model's name for people.

        Raises:
            MeasurementError: if no launch of several was good: the last one's error; at once where another
                would end the same.
        """
        return self.attempt(label, lambda: self._launch(model, num_runs, label))

    def attempt(self, label: str, call: Callable[[], _Result]) -> _Result:
        """``call``, again after a pause where it fails."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return call()
            except (MeasurementError, ConnectionTimeoutError) as error:  # noqa: PERF203  # launches take long
                self._log.add({"model": label, "error": str(error)})
                if isinstance(error, LaunchRefusedError):
                    raise LaunchRefusedError(f"{label}: {error}") from None
                if isinstance(error, ConnectionTimeoutError):
                    self.kill_leftover()
                if attempt == _ATTEMPTS:
                    raise MeasurementError(f"{label}: {error} (tried {attempt} times)") from None
                _log.warning("%s: %s; trying again", label, error)
                self._pause(2.0 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    def run(self, command: str) -> tuple[str, str, int]:
        """Run a launch's command: standard output, standard error, exit code."""
        # The shell's own number is the tool's, since exec keeps it: known even if the launch hangs.
        script = f"sh -c {quote(f'echo $$ > {_PID}; {_with_exec(command)}')}"
        result = self._phone.run(script, timeout_s=self._limit_s)
        return result.stdout, result.stderr, result.exit_code

    def kill_leftover(self) -> None:
        """End the last launch if it still runs: only if its number is still that of a process of ours."""
        folder = quote(self._phone.folder)
        self._phone.shell(
            f"cd {folder} 2>/dev/null && p=$(cat {_PID} 2>/dev/null) && "
            'if [ "$(readlink "/proc/$p/cwd" 2>/dev/null)" = "$(pwd -P)" ]; then kill -9 "$p"; fi'
        )

    def _launch(self, model: str, num_runs: int, label: str) -> LaunchFigures:
        stdout, stderr, exit_code = self.run(self._tool.command(model, num_runs))
        figures = self._tool.figures(self._phone, stdout, stderr, exit_code)
        self._log.add({"model": label, "num_runs": num_runs, "figures": asdict(figures)})
        return figures


def launch_latency_us(figures: LaunchFigures) -> float:
    """The latency of a launch in microseconds: its median, finer by the mean where both agree.

    The tool's clock counts whole microseconds; a mean within one of the median tells the fraction.
    """
    median = figures.median_us
    if median is not None and median < _COARSE_US and abs(figures.mean_us - median) <= 1:
        return figures.mean_us
    return figures.latency_us


def _pinned(mask: str | None, words: list[str]) -> str:
    pinned = words if mask is None else ["taskset", mask, *words]
    return " ".join(quote(word) for word in pinned)


def _with_exec(command: str) -> str:
    """The command with its last part in the shell's place."""
    before, separator, last = command.rpartition("; ")
    return f"{before}{separator}exec {last}"
