"""A device as people write it: a YAML file under ``devices/`` (docs/devices.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fbsearch.devices.description import Precision, RuntimeName
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.errors import DeviceError


class DeviceDefinition(BaseModel):
    """How to reach a device, and what to use there where the command line does not say.

    Args:
        name: letters, digits, ``-``, ``_`` and ``.``: it becomes part of file names.
        kind: how it is reached: ``local`` is the computer that runs fbsearch.
        description: a line for people.
        runtime: used where none is asked for.
        threads: used where none are asked for.
        precision: of the models.
        protocol: fields of the measurement protocol that differ from the defaults.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    kind: Literal["local"]
    description: str = ""
    runtime: RuntimeName = "tflite"
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    precision: Precision = "fp32"
    protocol: MeasurementProtocol = MeasurementProtocol()


def load_definition(path: Path) -> DeviceDefinition:
    """Read a device file.

    Raises:
        DeviceError: if it cannot be read or a field is wrong; the message names the field.
    """
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceError(f"{path}: cannot read a device definition: {error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DeviceError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise DeviceError(f"{path}: must be a mapping with at least 'name' and 'kind'")
    try:
        return DeviceDefinition.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        message = " ".join(first["msg"].split()).removeprefix("Value error, ")
        raise DeviceError(f"{path}: {place}: {message}") from None
