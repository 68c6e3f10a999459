"""What a table records about where its numbers come from: the device and the runtime."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fbsearch.precision import Precision

RuntimeName = Literal["tflite", "onnxruntime"]


class DeviceDescription(BaseModel):
    """A machine that runs models, as far as it tells about itself; None is what it does not tell.

    Args:
        name: how people call it; part of file names.
        kind: how it is reached; ``local`` is the computer that runs fbsearch.
        model: the processor's (or phone's) model.
        architecture: of the processor, such as ``x86_64``.
        num_cores: logical cores that the system shows.
        memory_bytes: main memory.
        system: operating system and release.
        governor: frequency governor of the first core.
        max_frequency_mhz: highest clock of any core.
        properties: whatever else this kind of device tells.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Annotated[str, Field(min_length=1)]
    kind: Annotated[str, Field(min_length=1)]
    model: str
    architecture: str
    num_cores: Annotated[int, Field(ge=1)]
    memory_bytes: Annotated[int, Field(ge=1)] | None = None
    system: str = ""
    governor: str | None = None
    max_frequency_mhz: Annotated[float, Field(gt=0)] | None = None
    properties: dict[str, str] = {}

    @property
    def identity(self) -> str:
        """What must agree for a table to hold: processor, architecture and cores; not the system's release.

        The name is left out: it is a label in a file, not a property of silicon.
        """
        return f"{self.model}, {self.architecture}, {self.num_cores} cores"


class RuntimeDescription(BaseModel):
    """The software that runs a model, and how it is set.

    Args:
        name: ``tflite`` or ``onnxruntime``.
        package: what provides it, such as ``ai-edge-litert``.
        version: of that package.
        threads: threads within one operator.
        precision: of weights and activations.
        delegate: the backend that takes the operators, such as ``XNNPACK (default)``.
        options: every other setting that differs from the runtime's default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: RuntimeName
    package: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]
    threads: Annotated[int, Field(ge=1)]
    precision: Precision = "fp32"
    delegate: str = ""
    options: dict[str, str] = {}

    @property
    def identity(self) -> str:
        """What must agree for a table to hold: runtime, threads and precision; not the version."""
        return f"{self.name}, {self.threads} thread{'s' if self.threads > 1 else ''}, {self.precision}"
