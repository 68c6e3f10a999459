"""A device as people write it: a YAML file under ``devices/`` (docs/devices.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from fbsearch.devices.description import RuntimeName
from fbsearch.devices.protocol import PHONE_PROTOCOL, MeasurementProtocol
from fbsearch.errors import DeviceError, UnreadableFileError
from fbsearch.files import parse_yaml, read_text
from fbsearch.precision import Precision

Delegate = Literal["xnnpack", "gpu", "nnapi", "none"]

_FOLDER = re.compile(r"(/[A-Za-z0-9._-]+)*/fbsearch[A-Za-z0-9._-]*")
ADB_PORT, SERVER_PORT = 5555, 5037
"""Where a device (after ``adb tcpip 5555``) and the adb server listen."""

_CORES = re.compile(r"big|little|all|(0[xX])?[0-9a-fA-F]{1,64}")
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


class _Definition(BaseModel):
    """What every kind of device has.

    Args:
        name: letters, digits, ``-``, ``_`` and ``.``: it becomes part of file names.
        description: a line for people.
        runtime: used where none is asked for.
        threads: used where none are asked for.
        precision: of the models.
        protocol: fields of the measurement protocol that differ from the kind's defaults.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    description: str = ""
    runtime: RuntimeName = "tflite"
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    precision: Precision = "fp32"


class LocalDefinition(_Definition):
    """The computer that runs fbsearch; see the base class for the fields."""

    kind: Literal["local"] = "local"
    protocol: MeasurementProtocol = MeasurementProtocol()


class AdbDefinition(_Definition):
    """A phone or board that speaks ADB.

    Args:
        serial: as ``adb devices`` shows it; needed where several are attached.
        address: ``host`` or ``host:port`` of a device that listens on TCP.
        transport: how to reach it; ``auto`` takes a running adb server that has it, else TCP, else USB.
        server: ``host:port`` of the adb server.
        adb_key: private key; without it ``~/.android/adbkey``, created if absent.
        cores: where models run: ``big``, ``little``, ``all`` or a mask such as ``f0``; without it the big
            cores where the device tells which they are, else all.
        delegate: what runs a TFLite model's operators; one that does not take the model is an error.
        binary: TFLite's ``benchmark_model`` for the device; without it, the one that ``fbsearch devices
            setup`` fetched.
        binary_sha256: what it must hash to.
        onnxruntime_binary: ``onnxruntime_perf_test`` for the device.
        folder: ours on the device; its last part starts with ``fbsearch``. Nothing outside is touched.
        keep: leave the folder there at the end.
        fixed_performance_mode: have Android 11 or newer bound its clocks while measuring, where it can.
        warmup_ms: untimed, at the start of every launch.
        max_launch_s: longest duration of the timed part of a launch.
        max_thermal_status: a window during which Android's thermal status was above it is repeated.
        max_battery_celsius: likewise for the battery's temperature.
        protocol: fields of the measurement protocol that differ from :data:`PHONE_PROTOCOL`.
    """

    kind: Literal["adb"] = "adb"
    serial: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    address: str | None = None
    transport: Literal["auto", "usb", "tcp", "server"] = "auto"
    server: str = f"127.0.0.1:{SERVER_PORT}"
    adb_key: Path | None = None
    cores: str | None = None
    delegate: Delegate = "xnnpack"
    binary: Path | None = None
    binary_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    onnxruntime_binary: Path | None = None
    folder: str = "/data/local/tmp/fbsearch"
    keep: bool = False
    fixed_performance_mode: bool = True
    warmup_ms: Annotated[float, Field(ge=0, le=60_000)] = 100.0
    max_launch_s: Annotated[float, Field(gt=0, le=600)] = 20.0
    max_thermal_status: Annotated[int, Field(ge=0, le=6)] = 0
    max_battery_celsius: Annotated[float, Field(gt=0, le=80)] = 42.0
    protocol: MeasurementProtocol = PHONE_PROTOCOL

    @property
    def place(self) -> str | None:
        """What ``adb devices`` calls it: its address with its port, else its serial; None: the only one."""
        if self.address is None:
            return self.serial
        return tcp_serial(*split_address(self.address, ADB_PORT))

    @field_validator("protocol", mode="before")
    @classmethod
    def _over_the_phone_defaults(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {**PHONE_PROTOCOL.model_dump(), **value}
        return value

    @field_validator("folder")
    @classmethod
    def _our_own_folder(cls, value: str) -> str:
        if not _FOLDER.fullmatch(value) or {".", ".."} & set(value.split("/")):
            raise ValueError(
                f"{value!r} must be an absolute path whose last part starts with 'fbsearch', without '..'"
            )
        return value

    @field_validator("cores", mode="before")
    @classmethod
    def _no_number(cls, value: Any) -> Any:
        if isinstance(value, (int, float)):  # YAML's reading of f0's kin, such as 70, which is hexadecimal
            raise ValueError(f'{value!r} is a number: put a mask into quotes, such as "70"')
        return value

    @field_validator("cores")
    @classmethod
    def _cores_that_exist_somewhere(cls, value: str | None) -> str | None:
        if value is not None and not _CORES.fullmatch(value):
            raise ValueError(f"{value!r} is neither big, little, all nor a hexadecimal mask such as f0")
        return value

    @field_validator("address", "server")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        if value is not None:
            split_address(value, ADB_PORT)
        return value


DeviceDefinition = LocalDefinition | AdbDefinition

_DEFINITION: TypeAdapter[DeviceDefinition] = TypeAdapter(
    Annotated[LocalDefinition | AdbDefinition, Field(discriminator="kind")]
)


def tcp_serial(host: str, port: int) -> str:
    """The serial of a device on TCP, as adb writes it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_address(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of ``host`` or ``host:port``; an IPv6 address stands in brackets.

    Raises:
        ValueError: if it is neither.
    """
    match = _HOST_AND_PORT.fullmatch(text)
    port = int(match[2][1:]) if match and match[2] else default_port
    if match is None or not 0 < port < 65536:
        raise ValueError(f"{text!r} is no host:port such as 192.168.1.20:5555")
    return match[1].strip("[]"), port


def load_definition(path: Path) -> DeviceDefinition:
    """Read a device file.

    Raises:
        DeviceError: if it cannot be read or a field is wrong; the message names the field.
    """
    try:
        text = read_text(path)
    except UnreadableFileError as error:
        raise DeviceError(f"{path}: cannot read a device definition: {error}") from None
    try:
        data: Any = parse_yaml(text)
    except UnreadableFileError as error:
        raise DeviceError(f"{path}: not YAML: {error}") from None
    if not isinstance(data, dict):
        raise DeviceError(f"{path}: must be a mapping with at least 'name' and 'kind'")
    try:
        return _DEFINITION.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        parts = [str(part) for part in first["loc"] if part not in ("local", "adb")]
        message = " ".join(first["msg"].split()).removeprefix("Value error, ")
        raise DeviceError(f"{path}: {'.'.join(parts) or 'kind'}: {message}") from None
