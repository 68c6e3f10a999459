"""The settings of devices, tables, choice, files and checks, as a recipe groups them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from fbsearch.devices import MeasurementProtocol, RuntimeName
from fbsearch.latency.calibration.designing import FIRST_NETWORKS
from fbsearch.precision import Precision
from fbsearch.records.agreement import MAX_ABS_DIFF

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


class SettingsGroup(BaseModel):
    """A group of settings: exactly these fields, which nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SpaceSettings(SettingsGroup):
    """Which space: a preset or a YAML file, and fields of it to replace (None leaves a field alone)."""

    source: str
    resolution: Annotated[int, Field(ge=1)] | None = None
    in_channels: Annotated[int, Field(ge=1)] | None = None
    num_classes: Annotated[int, Field(ge=2)] | None = None
    width_multiplier: Annotated[float, Field(gt=0)] | None = None
    head_channels: Annotated[int, Field(ge=0)] | None = None


class DeviceSettings(SettingsGroup):
    """Where models run and how.

    Args:
        name: ``local``, the name of a device file, a path to one, ``adb:SERIAL`` or ``HOST:PORT``.
        runtime: what runs them; left out, as the device file says.
        threads: within one operator; left out, as the device file says.
        precision: of the models; left out, as the device file says.
    """

    name: str = "local"
    runtime: RuntimeName = "tflite"
    threads: Annotated[int, Field(ge=1)] = 1
    precision: Precision = "fp32"


class ProfileSettings(SettingsGroup):
    """How the table is measured.

    Args:
        table: an existing table to use; None to measure one.
        networks: of an open space, whose operators cannot all be measured, those of so many random networks
            are measured before the search; the others are estimated from them until they are.
        jobs: conversions side by side; None for one per core.
        protocol: see :class:`fbsearch.devices.MeasurementProtocol`; fields left out are the device's own.
    """

    table: str | None = None
    networks: Annotated[int, Field(ge=1)] = FIRST_NETWORKS
    jobs: Annotated[int, Field(ge=1)] | None = None
    protocol: MeasurementProtocol = MeasurementProtocol()


def _share_of_range(value: float | str) -> float | str:
    if isinstance(value, str):
        match = _PERCENT.fullmatch(value)
        if match is None or not 0 <= float(match[1]) <= 100:
            raise ValueError(f"{value!r} is neither milliseconds nor a percentage of the space's range")
    return value


LatencyBudget = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False)] | str, AfterValidator(_share_of_range)
]
"""Milliseconds, or a percentage such as ``50%`` of the way from the space's least to its greatest latency."""


def latency_budget_us(budget: float | str, range_us: Callable[[], tuple[float, float]]) -> float:
    """A latency budget in microseconds.

    Args:
        budget: milliseconds or a percentage, as a recipe says it.
        range_us: tells the latencies of the space's fastest and slowest architecture, where they are needed.
    """
    if not isinstance(budget, str):
        return budget * 1000
    match = _PERCENT.fullmatch(budget)
    assert match is not None
    least, greatest = range_us()
    return least + (greatest - least) * float(match[1]) / 100


class TargetSettings(SettingsGroup):
    """A device that has to keep a latency budget of its own.

    Args:
        device: where the model will run.
        budget_ms: the latency budget there: milliseconds, or a percentage of the space's range there.
        profile: the latency table of this device.
    """

    device: DeviceSettings
    budget_ms: LatencyBudget
    profile: ProfileSettings = ProfileSettings()


class ConfirmSettings(SettingsGroup):
    """How the table's sums are tied to whole networks.

    Args:
        num_networks: whole networks, chosen by design, with which the table is calibrated before the search;
            0 takes plain sums.
        margin: share of the budget kept free when an architecture is chosen by its measured latency.
        attempts: times that the finalists may be measured and proposed again.
        exports: models that may be trained and exported until one, measured as exported, keeps the budget.
    """

    num_networks: Annotated[int, Field(ge=0)] = 8
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.03
    attempts: Annotated[int, Field(ge=1)] = 4
    exports: Annotated[int, Field(ge=1)] = 4

    @field_validator("num_networks")
    @classmethod
    def _enough_for_a_fit(cls, value: int) -> int:
        if 0 < value < 4:
            raise ValueError("fewer than 4 networks make no calibration; use 0 or at least 4")
        return value


class FinetuneSettings(SettingsGroup):
    """Fine-tuning with fake quantisation, of int8 models that lose too much accuracy.

    Args:
        epochs: how many; 0 for never, without a look at the accuracy.
        max_accuracy_drop: of the file against the network in fp32, on the validation images; what loses no
            more is left as it is.
        learning_rate_share: of the training's highest learning rate, from which it falls to zero.
        num_samples: validation images to judge by; None for all.
    """

    epochs: Annotated[int, Field(ge=0)] = 0
    max_accuracy_drop: Annotated[float, Field(ge=0, lt=1)] = 0.01
    learning_rate_share: Annotated[float, Field(gt=0, le=1)] = 0.05
    num_samples: Annotated[int, Field(ge=1)] | None = 2000


class ExportSettings(SettingsGroup):
    """Which model files, besides the one of the device's runtime; all in the device's precision.

    Args:
        formats: of the files.
        calibration_images: training images from which int8 takes the ranges of activations.
        finetune: of int8 models that lose too much.
    """

    formats: tuple[Literal["tflite", "onnx"], ...] = ("tflite", "onnx")
    calibration_images: Annotated[int, Field(ge=1)] = 128
    finetune: FinetuneSettings = FinetuneSettings()


class VerifySettings(SettingsGroup):
    """How the exported model is checked.

    Args:
        num_samples: test images compared and classified; None for all.
        num_device_samples: of them, so many are also computed on a device that is not this computer, where
            each takes a launch; this computer's interpreter computes the others.
        max_abs_diff: largest difference allowed between the logits of PyTorch and an fp32 model.
        min_top1_agreement: least share of images on which a model must choose the class that PyTorch does;
            None for what its precision allows, see docs/precisions.md.
    """

    num_samples: Annotated[int, Field(ge=1)] | None = 1000
    num_device_samples: Annotated[int, Field(ge=0)] = 4
    max_abs_diff: Annotated[float, Field(gt=0)] = MAX_ABS_DIFF
    min_top1_agreement: Annotated[float, Field(ge=0, le=1)] | None = None
