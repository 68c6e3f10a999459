"""``benchmark_model`` in Python: the official tool's behaviour and text around a real TFLite interpreter.

Runs in a process of its own, forked from one that has the interpreter loaded; see ``worker.py``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tools.simulated_phone import benchmark_flags
from tools.simulated_phone.benchmark_flags import Parameters
from tools.simulated_phone.benchmark_statistics import Result, Statistics, encode, number
from tools.simulated_phone.launch import Launch, ProgramFailedError

_ABORTED = 134
_ACCELERATORS = {"use_gpu": "GPU", "use_nnapi": "NNAPI"}


def run_benchmark(launch: Launch) -> int:
    """Run one benchmark and get the exit code."""
    benchmark = _Benchmark(launch)
    try:
        benchmark.run()
    except ProgramFailedError as error:
        for line in error.lines:
            benchmark.error(line)
        if error.exit_code == 1:
            benchmark.error("Benchmarking failed.")
        return error.exit_code
    return 0


class _Benchmark:
    """One launch of the tool."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._age = launch.benchmark_format
        self._has_prefix = self._age in ("2024", "current")
        self._interpreter: Any = None
        self._delegated_by: str | None = None

    def run(self) -> None:
        self._log("STARTING!")
        parameters = benchmark_flags.parse(self._launch.arguments, self._age)
        if parameters.wrong or parameters.is_on("help"):
            raise ProgramFailedError(f"usage: {self._launch.name}", "Flags:", *_usage(parameters))
        if parameters.unconsumed:
            self._log(f"Unconsumed cmdline flags: {' '.join(parameters.unconsumed)}", level="WARN")
        if not parameters.text("graph"):
            raise ProgramFailedError("Please specify the name of your TF Lite input file with --graph")
        self._log_parameters(parameters)
        self._launch.fault_after_start()
        self._benchmark(parameters)

    def error(self, line: str) -> None:
        """Say something on standard error."""
        self._launch.err(f"{'ERROR: ' if self._has_prefix else ''}{line}\n")

    def _log(self, line: str, *, level: str = "INFO") -> None:
        self._launch.out(f"{level + ': ' if self._has_prefix else ''}{line}\n")

    def _log_parameters(self, parameters: Parameters) -> None:
        is_verbose = parameters.is_on("verbose")
        if self._age != "tf2.1":
            self._log(f"Log parameter values verbosely: [{int(is_verbose)}]")
        for name, title in parameters.titles.items():
            is_shown = is_verbose or name in parameters.given or name == "graph" or self._age == "tf2.1"
            if is_shown and name != "verbose":
                value = parameters.values[name]
                self._log(f"{title}: [{value if isinstance(value, str) else number(value)}]")

    def _benchmark(self, parameters: Parameters) -> None:
        graph = parameters.text("graph")
        start_us, start_kb = _now_us(), _resident_kb()
        inputs = self._init(graph, parameters)
        init_us, init_kb = _now_us() - start_us, _resident_kb() - start_kb
        model_bytes = Path(graph).stat().st_size
        if self._age != "tf2.1":
            self._log(f"The input model file size (MB): {number(model_bytes / 1e6)}")
        self._log(f"Initialized session in {number(init_us / 1000)}ms.")
        data = [self._input(position, detail, parameters) for position, detail in enumerate(inputs)]
        warmup = self._loop(parameters, "warmup_runs", "warmup_min_secs", inputs, data)
        measured = self._loop(parameters, "num_runs", "min_secs", inputs, data)
        result = Result(init_us, warmup, measured, model_bytes, init_kb, _resident_kb() - start_kb)
        self._report(result, parameters)
        self._save(result, parameters)

    def _init(self, graph: str, parameters: Parameters) -> list[dict[str, Any]]:
        """Load the model, apply delegates; the details of its inputs."""
        explicit = "use_xnnpack" in parameters.given
        self._load(graph, parameters, without_delegates=explicit and not parameters.is_on("use_xnnpack"))
        self._choose_signature(parameters)
        is_delegated = self._apply_accelerators(parameters)
        if explicit and parameters.is_on("use_xnnpack"):
            self._log("XNNPACK delegate created.")
            self._say_applied("XNNPACK", self._num_xnnpack_kernels(), parameters)
            is_delegated = True
        if not is_delegated and parameters.is_on("require_full_delegation"):
            raise ProgramFailedError("Disallowed CPU fallback detected.")
        return list(self._interpreter.get_input_details())

    def _load(self, graph: str, parameters: Parameters, *, without_delegates: bool) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        try:
            model = Path(graph).read_bytes()
        except OSError:
            raise ProgramFailedError(f"Could not open '{graph}'.", f"Failed to load model {graph}") from None
        threads = int(parameters.number("num_threads"))
        kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if without_delegates else OpResolverType.AUTO
        try:
            self._interpreter = Interpreter(
                model_content=model,
                num_threads=threads if threads > 0 else None,
                experimental_op_resolver_type=kind,
            )
            self._refuse_unknown_operators()
            self._log(f"Loaded model {graph}")
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise _load_failure(graph, str(error)) from None

    def _refuse_unknown_operators(self) -> None:
        lacking = set(self._launch.unknown_operators)
        for operator in self._interpreter._get_ops_details():
            if operator["op_name"] in lacking:
                raise ValueError(
                    f"Didn't find op for builtin opcode '{operator['op_name']}' version '5'. An older version"
                    " of this builtin might be supported. Are you using an old TFLite binary with a newer"
                    " model?"
                )

    def _choose_signature(self, parameters: Parameters) -> None:
        keys = list(self._interpreter.get_signature_list())
        if self._age not in ("2024", "current"):
            return
        if parameters.is_on("list_signatures"):
            self._log(f"The Model contains {len(keys)} signature key(s).")
            if keys:
                self._log("They are listed below: ")
            for key in keys:
                self._log(f"-> Signature Key: {key}")
            raise ProgramFailedError
        wanted = parameters.text("signature_to_run_for")
        if not keys:
            if wanted:
                raise ProgramFailedError(
                    "Signature key is specified, but the model does not have any signatures."
                )
            return
        if wanted not in keys and not (len(keys) == 1 and not wanted):
            raise ProgramFailedError(
                "Signature not specified or incorrect. Pass one of the following to the flag"
                ' "--signature_to_run_for"',
                *(f" #> Signature key: {key}" for key in keys),
            )
        if wanted not in ("", keys[0]):
            raise ProgramFailedError("this stand-in runs only the first signature of a model")
        self._log(f"Using signature: {keys[0]}")

    def _apply_accelerators(self, parameters: Parameters) -> bool:
        """Answer requests for GPU and NNAPI as the profile says; whether a delegate was applied at all."""
        is_applied = False
        for flag, name in _ACCELERATORS.items():
            if not parameters.is_on(flag):
                continue
            there_is = self._launch.accelerators[name]
            if there_is == "unsupported":
                self._log(f"{name} acceleration is unsupported on this platform.", level="WARN")
                continue
            self._launch.err(f"INFO: Created TensorFlow Lite delegate for {name}.\n")
            if there_is == "absent":
                raise ProgramFailedError(f"Failed to apply {name} delegate.")
            is_applied = True
            num_kernels = {"untouched": 0, "partial": 2, "full": 1}[there_is]
            self._say_applied(name, num_kernels, parameters)
        return is_applied

    def _say_applied(self, name: str, num_kernels: int, parameters: Parameters) -> None:
        is_full = num_kernels == 1
        if parameters.is_on("require_full_delegation") and not is_full:
            raise ProgramFailedError("Disallowed CPU fallback detected.")
        if self._age == "tf2.1":
            share = "completely" if is_full else "partially"
            self._log(
                f"Applied {name} delegate, and the model graph will be {share} executed w/ the delegate."
            )
        elif is_full:
            self._log(
                f"Explicitly applied {name} delegate, and the model graph will be completely executed by the"
                " delegate."
            )
        elif num_kernels > 0:
            self._log(
                f"Explicitly applied {name} delegate, and the model graph will be partially executed by the"
                f" delegate w/ {num_kernels} delegate kernels."
            )
        else:
            self._log(
                f"Though {name} delegate is explicitly applied, the model graph will not be executed by the"
                " delegate."
            )

    def _num_xnnpack_kernels(self) -> int:
        """1 where one delegate node takes the graph from its inputs to its outputs, else more or none."""
        interpreter = self._interpreter
        kernels = [node for node in interpreter._get_ops_details() if node["op_name"] == "DELEGATE"]
        if len(kernels) != 1:
            return len(kernels)
        inputs = {detail["index"] for detail in interpreter.get_input_details()}
        outputs = {detail["index"] for detail in interpreter.get_output_details()}
        takes_all = inputs <= set(kernels[0]["inputs"]) and outputs == set(kernels[0]["outputs"])
        return 1 if takes_all else 2

    def _input(self, position: int, detail: dict[str, Any], parameters: Parameters) -> np.ndarray:
        """Values for one input: from the file that the command line names for it, or random ones."""
        names = [name for name in parameters.text("input_layer").split(",") if name]
        shapes = [shape for shape in parameters.text("input_layer_shape").split(":") if shape]
        if len(names) != len(shapes):
            raise ProgramFailedError(
                f"The number of items in --input_layer_shape ({parameters.text('input_layer_shape')}, with"
                f" {len(shapes)} items) must match the number of items in --input_layer"
                f" ({parameters.text('input_layer')}, with {len(names)} items). For example"
                " --input_layer=input1,input2 --input_layer_shape=1,224,224,4:1,20"
            )
        shape, kind = tuple(int(size) for size in detail["shape"]), np.dtype(detail["dtype"])
        files = self._value_files(names, parameters)
        if names and names[position] in files:
            return _read_values(files[names[position]], shape, kind)
        rng = np.random.default_rng(position)
        if kind.kind == "f":
            return rng.uniform(-0.5, 0.5, shape).astype(kind)
        information = np.iinfo(kind)
        return rng.integers(information.min, information.max, shape, dtype=kind, endpoint=True)

    def _value_files(self, names: list[str], parameters: Parameters) -> dict[str, str]:
        files = {}
        for item in [item for item in parameters.text("input_layer_value_files").split(",") if item]:
            name, colon, path = item.replace("::", "\0").partition(":")
            if not colon:
                raise ProgramFailedError(
                    f"{item} doesn't contain any delimiter.", f"Wrong input value file item specified: {item}"
                )
            name, path = name.replace("\0", ":"), path.replace("\0", ":")
            if name not in names:
                raise ProgramFailedError(
                    f"Cannot find the corresponding input_layer name({name}) in --input_layer as"
                    f" {parameters.text('input_layer')}",
                    exit_code=_ABORTED,
                )
            files[name] = path
        return files

    def _loop(
        self,
        parameters: Parameters,
        runs_flag: str,
        seconds_flag: str,
        inputs: list[dict[str, Any]],
        data: list[np.ndarray],
    ) -> Statistics:
        """Run for at least so many times and so many seconds, but not longer than the most seconds."""
        is_dry = parameters.is_on("dry_run")
        runs = 0 if is_dry else int(parameters.number(runs_flag))
        seconds = -1.0 if is_dry else parameters.number(seconds_flag)
        most_seconds = parameters.number("max_secs")
        self._log(
            f"Running benchmark for at least {runs} iterations and at least {number(seconds)} seconds but"
            f" terminate if exceeding {number(most_seconds)} seconds."
        )
        latencies_us: list[int] = []
        invoke, slowdown = self._interpreter.invoke, self._launch.slowdown
        now_us = _now_us()
        finish_us, latest_us = now_us + int(seconds * 1e6), now_us + int(most_seconds * 1e6)
        while (len(latencies_us) < runs or now_us < finish_us) and now_us <= latest_us:
            for detail, values in zip(inputs, data, strict=True):
                self._interpreter.set_tensor(detail["index"], values)
            latencies_us.append(timed_us(invoke, slowdown))
            if parameters.number("run_delay") > 0:
                time.sleep(parameters.number("run_delay"))
            now_us = _now_us()
        statistics = Statistics(latencies_us)
        self._log(statistics.text(with_percentiles=self._age == "current") + "\n")
        return statistics

    def _report(self, result: Result, parameters: Parameters) -> None:
        warmup, measured = result.warmup, result.measured
        if self._age == "tf2.1":
            self._log(
                f"Average inference timings in us: Warmup: {number(warmup.mean)}, Init: {result.init_us},"
                f" no stats: {number(measured.mean)}"
            )
            return
        if parameters.is_on("enable_op_profiling"):
            timings = measured.text(with_percentiles=False)
            self._log(f"Profiling Info for Regular Benchmark Runs:\nTimings (microseconds): {timings}")
        self._log(
            f"Inference timings in us: Init: {result.init_us}, First inference: {warmup.first},"
            f" Warmup (avg): {number(warmup.mean)}, Inference (avg): {number(measured.mean)}"
        )
        self._log(
            "Note: as the benchmark tool itself affects memory footprint, the following is only"
            " APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at"
            " your discretion."
        )
        title = (
            "Peak memory footprint"
            if self._age == "2020"
            else "Memory footprint delta from the start of the tool"
        )
        init_mb, overall_mb = result.init_footprint_kb / 1024, result.overall_footprint_kb / 1024
        self._log(f"{title} (MB): init={number(init_mb)} overall={number(overall_mb)}")

    def _save(self, result: Result, parameters: Parameters) -> None:
        if path := parameters.text("result_file_path"):
            self._log(f"Saving benchmark result to: {path}")
            if self._launch.write_file(path, encode(result)):
                self._log(f"Saved benchmark result to: {path}")
            else:
                self.error(f"Failed to save benchmark result to: {path}")
        if path := parameters.text("output_filepath"):
            outputs = self._interpreter.get_output_details()
            values = [self._interpreter.get_tensor(detail["index"]).tobytes() for detail in outputs]
            self._launch.write_file(path, b"".join(values))


def timed_us(invoke: Callable[[], object], slowdown: float) -> int:
    """Run a model once; a slower core spends the rest of its time waiting."""
    start_ns = time.perf_counter_ns()
    invoke()
    end_ns = time.perf_counter_ns()
    if slowdown > 1:
        until_ns = start_ns + int((end_ns - start_ns) * slowdown)
        while end_ns < until_ns:
            end_ns = time.perf_counter_ns()
    return end_ns // 1000 - start_ns // 1000


def _load_failure(graph: str, message: str) -> ProgramFailedError:
    if "Flatbuffer" in message or "identifier" in message or "null/empty" in message:
        return ProgramFailedError(message, f"Failed to load model {graph}")
    if "Didn't find op" in message or "unresolved custom op" in message:
        return ProgramFailedError(message, "Registration failed.", "Failed to initialize the interpreter")
    return ProgramFailedError(message, "Failed to allocate tensors!")


def _read_values(path: str, shape: tuple[int, ...], kind: np.dtype[Any]) -> np.ndarray:
    try:
        content = Path(path).read_bytes()
    except OSError:
        raise ProgramFailedError(
            f"Failed to read the input_layer_value_file:{path}", exit_code=_ABORTED
        ) from None
    expected = int(np.prod(shape)) * kind.itemsize
    if len(content) != expected:
        raise ProgramFailedError(
            f"The size of {path} is {len(content)} bytes. It should be {expected} bytes.", exit_code=_ABORTED
        )
    return np.frombuffer(content, dtype=kind).reshape(shape)


def _usage(parameters: Parameters) -> list[str]:
    kinds = {bool: "bool", int: "int32", float: "float", str: "string"}
    return [
        f"\t--{name}={value}\t{kinds[type(value)]}\toptional\t{parameters.titles[name]}"
        for name, value in parameters.values.items()
    ]


def _now_us() -> int:
    return time.perf_counter_ns() // 1000


def _resident_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
