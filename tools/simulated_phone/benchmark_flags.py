"""Command lines of ``benchmark_model``: which flags each age of the binary knows, and how it logs them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.simulated_phone.profile import BenchmarkFormat

Value = bool | int | float | str

# Name, default, title in the log. Every age knows these.
_FLAGS: tuple[tuple[str, Value, str], ...] = (
    ("num_runs", 50, "Min num runs"),
    ("min_secs", 1.0, "Min runs duration (seconds)"),
    ("max_secs", 150.0, "Max runs duration (seconds)"),
    ("run_delay", -1.0, "Inter-run delay (seconds)"),
    ("benchmark_name", "", "Benchmark name"),
    ("output_prefix", "", "Output prefix"),
    ("warmup_runs", 1, "Min warmup runs"),
    ("warmup_min_secs", 0.5, "Min warmup runs duration (seconds)"),
    ("graph", "", "Graph"),
    ("input_layer", "", "Input layers"),
    ("input_layer_shape", "", "Input shapes"),
    ("input_layer_value_range", "", "Input value ranges"),
    ("input_layer_value_files", "", "Input value files"),
    ("allow_fp16", False, "Allow fp16"),
    ("require_full_delegation", False, "Require full delegation"),
    ("enable_op_profiling", False, "Enable op profiling"),
    ("max_profiling_buffer_entries", 1024, "Max profiling buffer entries"),
    ("profiling_output_csv_file", "", "CSV File to export profiling data to"),
    ("num_threads", -1, "#threads used for CPU inference"),
    ("use_gpu", False, "Use gpu"),
    ("gpu_precision_loss_allowed", True, "Allow lower precision in gpu"),
    ("gpu_backend", "", "GPU backend"),
    ("use_nnapi", False, "Use NNAPI"),
    ("use_xnnpack", False, "Use xnnpack"),
)
_SINCE_2020: tuple[tuple[str, Value, str], ...] = (
    ("run_frequency", -1.0, "Number of prorated runs per second"),
    ("use_caching", False, "Use caching"),
    ("verbose", False, "Log parameter values verbosely"),
    ("dry_run", False, "Run w/o invoking kernels"),
    ("report_peak_memory_footprint", False, "Report the peak memory footprint"),
    ("print_preinvoke_state", False, "Print pre-invoke interpreter state"),
    ("print_postinvoke_state", False, "Print post-invoke interpreter state"),
    ("help", False, "Print out all supported flags"),
)
_SINCE_2024: tuple[tuple[str, Value, str], ...] = (
    ("signature_to_run_for", "", "Signature to run"),
    ("list_signatures", False, "List signatures from the provided model"),
    ("op_profiling_output_mode", "stdout", "Op profiling output mode."),
    ("op_profiling_output_file", "", "Op profiling output file."),
    ("xnnpack_force_fp16", False, "XNNPACK force fp16"),
    ("output_filepath", "", "File path to export outputs layer to"),
    ("result_file_path", "", "File path to save the benchmark result in binary proto format"),
)
_CURRENT: tuple[tuple[str, Value, str], ...] = (
    ("xnnpack_weight_cache_file_path", "", "XNNPACK weight cache file"),
    ("export_model_runtime_info", False, "Enable Model Runtime Info Export"),
    ("model_runtime_info_output_file", "", "Proto File to export model runtime info to"),
    ("output_proto_filepath", "", "File path to export outputs layer as tf example to"),
)


@dataclass
class Parameters:
    """A parsed command line.

    Args:
        values: of every flag that this age knows.
        given: flags that the command line set.
        unconsumed: arguments that this age does not know.
        wrong: the first argument whose value is not of the flag's kind, or nothing.
    """

    values: dict[str, Value]
    titles: dict[str, str]
    given: list[str] = field(default_factory=list)
    unconsumed: list[str] = field(default_factory=list)
    wrong: str = ""

    def text(self, name: str) -> str:
        """A flag's text; empty also where this age does not know it."""
        return str(self.values.get(name, ""))

    def number(self, name: str) -> float:
        """A flag's number."""
        value = self.values[name]
        assert not isinstance(value, str)
        return float(value)

    def is_on(self, name: str) -> bool:
        """Whether a switch is on; off also where this age does not know it."""
        return bool(self.values.get(name, False))


def parse(arguments: list[str], age: BenchmarkFormat) -> Parameters:
    """Parse ``--name=value`` arguments; a switch may stand without a value."""
    known = list(_FLAGS)
    if age != "tf2.1":
        known += _SINCE_2020
    if age in ("2024", "current"):
        known += _SINCE_2024
    if age == "current":
        known += _CURRENT
    parameters = Parameters(
        {name: default for name, default, _ in known}, {name: title for name, _, title in known}
    )
    for argument in arguments:
        name, equals, text = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in parameters.values:
            parameters.unconsumed.append(argument)
            continue
        value = _value(text if equals else "true", parameters.values[name])
        if value is None:
            parameters.wrong = parameters.wrong or argument
            continue
        parameters.values[name] = value
        parameters.given.append(name)
    return parameters


def _value(text: str, default: Value) -> Value | None:
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    try:
        return int(text) if isinstance(default, int) else float(text)
    except ValueError:
        return None
