"""``onnxruntime_perf_test`` in Python: the official tool's options and text around a real session."""

from __future__ import annotations

import getopt
import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from tools.simulated_phone.benchmark import timed_us
from tools.simulated_phone.launch import Launch, ProgramFailedError

# Option letters; those with a colon take a value.
_OPTIONS = "m:e:r:t:p:x:y:c:d:o:u:i:f:F:S:T:C:AMPIDZszvhqnlgXR:"
_USAGE = "perf_test [options...] model_path [result_file]"
_LEVELS = {0: "ORT_DISABLE_ALL", 1: "ORT_ENABLE_BASIC", 2: "ORT_ENABLE_EXTENDED", 99: "ORT_ENABLE_ALL"}


def run_perf_test(launch: Launch) -> int:
    """Run one test and get the exit code."""
    try:
        _run(launch)
    except ProgramFailedError as error:
        for line in error.lines:
            launch.err(line + "\n")
        return error.exit_code
    return 0


def _run(launch: Launch) -> None:
    try:
        pairs, paths = getopt.gnu_getopt(launch.arguments, _OPTIONS)
    except getopt.GetoptError:
        raise ProgramFailedError(_USAGE) from None
    options = dict(pairs)
    if "-h" in options or not 1 <= len(paths) <= 2:
        raise ProgramFailedError(_USAGE)
    launch.fault_after_start()
    start_ns = time.perf_counter_ns()
    session = _session(paths[0], options)
    created_s = (time.perf_counter_ns() - start_ns) / 1e9
    if "-I" not in options:
        raise ProgramFailedError(f"there is no test data for model {paths[0]}; use -I to generate it")
    feeds = _feeds(session)
    names = [output.name for output in session.get_outputs()]
    first_us = timed_us(lambda: session.run(names, feeds), launch.slowdown)
    latencies_s, total_s = _loop(launch, session, names, feeds, options)
    if len(paths) == 2:
        launch.write_file(paths[1], _result_file(paths[0], latencies_s).encode())
    _report(launch, created_s, first_us / 1e6, latencies_s, total_s)


def _session(model: str, options: dict[str, str]) -> Any:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    if "-x" in options:
        settings.intra_op_num_threads = _integer(options["-x"])
    if "-y" in options:
        settings.inter_op_num_threads = _integer(options["-y"])
    if "-o" in options:
        name = _LEVELS.get(_integer(options["-o"]))
        if name is None:
            raise ProgramFailedError(_USAGE)
        settings.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, name)
    if "-P" in options:
        settings.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    settings.enable_cpu_mem_arena = "-A" not in options
    settings.enable_mem_pattern = "-M" not in options
    for pair in options.get("-C", "").split():
        key, _, value = pair.partition("|")
        settings.add_session_config_entry(key, value)
    if options.get("-e", "cpu") != "cpu":
        raise ProgramFailedError(f"{options['-e']} is not supported in this build")
    try:
        return onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ProgramFailedError(f"{type(error).__name__}: {error}") from None


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ProgramFailedError(_USAGE) from None


def _feeds(session: Any) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        value.name: rng.uniform(
            -0.5, 0.5, [size if isinstance(size, int) else 1 for size in value.shape]
        ).astype(np.float32)
        for value in session.get_inputs()
    }


def _loop(
    launch: Launch, session: Any, names: list[str], feeds: dict[str, np.ndarray], options: dict[str, str]
) -> tuple[list[float], float]:
    """Seconds of every run, and of all: so many times, or for so long."""
    by_duration = options.get("-m", "duration") == "duration"
    times, seconds = _integer(options.get("-r", "1000")), float(options.get("-t", "600"))
    latencies_s: list[float] = []
    start_s = time.perf_counter()
    while (
        time.perf_counter() - start_s < seconds if by_duration else len(latencies_s) < times
    ) or not latencies_s:
        latencies_s.append(timed_us(lambda: session.run(names, feeds), launch.slowdown) / 1e6)
    return latencies_s, time.perf_counter() - start_s


def _result_file(model: str, latencies_s: list[float]) -> str:
    """A row per run: model, seconds, peak bytes, CPU share, number."""
    name = Path(model).name
    rows = [f"{name},{seconds:.6g},52428800,99,{number}" for number, seconds in enumerate(latencies_s)]
    return "\n".join([*rows, *_percentiles(latencies_s)]) + "\n"


def _percentiles(latencies_s: list[float]) -> list[str]:
    ordered = sorted(latencies_s)
    lines = [f"Min Latency is {ordered[0]:.6g}sec", f"Max Latency is {ordered[-1]:.6g}sec"]
    shares = {"P50": 0.5, "P90": 0.9, "P95": 0.95, "P99": 0.99, "P999": 0.999}
    named = {name: ordered[int(len(ordered) * share)] for name, share in shares.items()}
    return lines + [f"{name} Latency is {seconds:.6g}sec" for name, seconds in named.items()]


def _report(
    launch: Launch, created_s: float, first_s: float, latencies_s: list[float], total_s: float
) -> None:
    average_ms = sum(latencies_s) / len(latencies_s) * 1000
    title = "Average inference time cost" if launch.benchmark_format == "current" else "Average time cost"
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    usage = 100 * sum(os.times()[:2]) / max(total_s + created_s, 1e-3) / (os.cpu_count() or 1)
    lines = [
        f"Session creation time cost: {created_s:.6g} s",
        f"First inference time cost: {first_s * 1000:.0f} ms",
        f"Total inference time cost: {sum(latencies_s):.6g} s",
        f"Total inference requests: {len(latencies_s)}",
        f"{title}: {average_ms:.6g} ms",
        f"Total inference run time: {total_s:.6g} s",
        f"Number of inferences per second: {len(latencies_s) / total_s:.6g} ",
        f"Avg CPU usage: {min(usage, 100):.0f} %",
        f"Peak working set size: {peak_bytes} bytes",
        f"Avg CPU usage:{min(usage, 100):.0f}",
        f"Peak working set size:{peak_bytes}",
        f"Runs:{len(latencies_s)}",
        *_percentiles(latencies_s),
    ]
    for line in lines:
        launch.out(line + "\n")
