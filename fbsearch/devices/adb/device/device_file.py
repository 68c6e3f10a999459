"""A device file for a phone that was just looked at: every field, explained, with what suits the phone."""

from __future__ import annotations

import json
import re
from pathlib import Path

from fbsearch.devices.adb.device.describing import PhoneReport
from fbsearch.devices.definition import AdbDefinition
from fbsearch.errors import DeviceError
from fbsearch.files import write_text

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_DEFAULTS = AdbDefinition(name="default")


def write_device_file(report: PhoneReport, path: Path, *, overwrite: bool) -> None:
    """Write the file.

    Args:
        report: of the phone.
        path: ``NAME.yaml``; the name becomes the device's.
        overwrite: replace a file that is there.

    Raises:
        DeviceError: if the name will not do, the file is there, or it cannot be written.
    """
    if path.suffix not in (".yaml", ".yml") or not _NAME.fullmatch(path.stem):
        raise DeviceError(
            f"--write {path}: name a file such as devices/pixel7.yaml, of letters, digits, '-', '_' and '.'"
        )
    if path.exists() and not overwrite:
        raise DeviceError(f"--write {path}: the file is there already: give another name, or add --force")
    try:
        write_text(path, device_file(report, name=path.stem))
    except OSError as error:
        raise DeviceError(f"--write {path}: cannot be written: {error.strerror or error}") from None


def device_file(report: PhoneReport, *, name: str) -> str:
    """The text of a device file.

    Args:
        report: of the phone.
        name: for the device.
    """
    paragraphs = (
        _title(report),
        _identity(report, name),
        _way_there(report),
        _what_is_measured(report),
        _binaries(report, name),
        _what_is_done(),
        _too_warm(),
        _protocol(),
    )
    return "\n\n".join("\n".join(lines) for lines in paragraphs) + "\n"


def _title(report: PhoneReport) -> list[str]:
    identity = report.readings.identity
    system = f"Android {identity.android}" if identity.android else f"Linux {identity.kernel or ''}".strip()
    return [
        f"# {_maker_and_model(report)}, {identity.soc or 'SoC not told'}, {system}: written by",
        "# `fbsearch devices describe`. Every field but name and kind may be left out; a line beginning with",
        "# '# field:' shows its default, or an example. docs/devices.md says more.",
    ]


def _identity(report: PhoneReport, name: str) -> list[str]:
    return [
        _line(f"name: {name}", "letters, digits, - _ . ; part of a table's file name"),
        _line("kind: adb", "a phone or board that speaks ADB"),
        f"description: {_quoted(_maker_and_model(report))}",
    ]


def _way_there(report: PhoneReport) -> list[str]:
    definition = report.definition
    if definition.address is not None:
        place = _line(
            f"address: {_quoted(definition.address)}", "HOST or HOST:PORT; may change with the network"
        )
    else:
        place = _line(f"serial: {_quoted(definition.serial or report.serial)}", "as `adb devices` shows it")
    return [
        "# How to reach it.",
        place,
        _line(f"transport: {definition.transport}", "auto | usb | tcp | server (a running adb server)"),
        _line(f"# server: {_DEFAULTS.server}", "where an adb server may run"),
        _line("# adb_key: ~/.android/adbkey", "this computer's private key; created if absent"),
    ]


def _what_is_measured(report: PhoneReport) -> list[str]:
    mask = report.big_cores
    num_big = int(mask, 16).bit_count() if mask else 0
    more = f"; it has {num_big} big cores" if num_big > 1 else ""
    return [
        "# What is measured where the command line does not say.",
        _line("runtime: tflite", "tflite | onnxruntime (which needs onnxruntime_binary)"),
        _line("threads: 1", f"within one operator; 1 is the steadiest{more}"),
        _line("precision: fp32", "fp32 | fp16 | dynamic_int8 | int8"),
        *_cores(report),
        _line("delegate: xnnpack", "xnnpack (CPU) | gpu | nnapi | none (CPU, plain kernels); one that does"),
        _line("", "not take a model is an error"),
    ]


def _cores(report: PhoneReport) -> list[str]:
    mask = report.big_cores
    if mask is None:
        return [_line("# cores: big", "cannot be chosen: it has no taskset, or does not tell its clocks")]
    clusters = [
        _line("", f"cores {','.join(map(str, cluster.cores))}: {cluster.max_khz / 1e6:.2f} GHz")
        for cluster in report.readings.clusters
    ]
    return [_line("cores: big", f"big (mask {mask}) | little | all | a hexadecimal mask"), *clusters]


def _binaries(report: PhoneReport, name: str) -> list[str]:
    digest = report.binary.sha256 if report.binary else "64 hexadecimal digits"
    return [
        f"# The benchmark binary; without one, that which `fbsearch devices setup {name}` fetched.",
        "# binary: ~/benchmark_model",
        f"# binary_sha256: {digest}",
        "# onnxruntime_binary: ~/onnxruntime_perf_test",
    ]


def _what_is_done() -> list[str]:
    return [
        "# What is done there.",
        _line(f"# folder: {_DEFAULTS.folder}", "ours; nothing outside it is touched"),
        _line("keep: false", "true leaves that folder there at the end"),
        _line(
            "fixed_performance_mode: true", "Android 11+: clocks bounded, for an even pace, while measuring"
        ),
        _line(f"warmup_ms: {_DEFAULTS.warmup_ms:g}", "untimed, at the start of every launch"),
        _line(f"max_launch_s: {_DEFAULTS.max_launch_s:g}", "longest timed part of a launch"),
    ]


def _too_warm() -> list[str]:
    return [
        "# Above these the phone is too warm: the window is discarded, and repeated after a pause.",
        _line(f"max_thermal_status: {_DEFAULTS.max_thermal_status}", "Android's: 0 (none) to 6 (shutdown)"),
        f"max_battery_celsius: {_DEFAULTS.max_battery_celsius:g}",
    ]


def _protocol() -> list[str]:
    protocol = _DEFAULTS.protocol
    return [
        "# Fields of the measurement protocol that differ from the phones' defaults (docs/measuring.md).",
        "# protocol:",
        _line(f"#   cooldown_s: {protocol.cooldown_s:g}", "pause between two looks at a warm or slow phone"),
        _line(f"#   patience_s: {protocol.patience_s:g}", "longest time spent on such pauses, all together"),
        _line(f"#   round_ms: {protocol.round_ms:g}", "timed part of a launch"),
        _line(f"#   max_rounds: {protocol.max_rounds}", "most launches of a model"),
        _line(f"#   target_relative_ci: {protocol.target_relative_ci:g}", "a model is finished below it"),
    ]


def _maker_and_model(report: PhoneReport) -> str:
    identity = report.readings.identity
    return identity.full_name or "A device that tells no model"


def _line(text: str, comment: str) -> str:
    return f"{text:<32} # {comment}"


def _quoted(text: str) -> str:
    """A YAML string, whatever it holds."""
    return json.dumps(text)
