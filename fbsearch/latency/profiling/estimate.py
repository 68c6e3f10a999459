"""How long measuring will take, before it starts."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.devices.definition import AdbDefinition, DeviceDefinition
from fbsearch.devices.description import RuntimeName
from fbsearch.devices.runner import RUNTIME_FORMATS
from fbsearch.latency.calibration.designing import num_designed
from fbsearch.latency.measuring.sentinel import SENTINEL
from fbsearch.precision import Precision
from fbsearch.spaces import Space

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache

_CONVERSION_S = {"tflite": 1.4, "onnx": 0.9}
"""Of an operator alone."""
_FIXED_SHARE = 0.7
"""Of that, what a model takes however many operators it has."""
_START_S = 8.0
_MEASURING_S = 0.4
_LAUNCH_S = 0.2
"""Of a launch, besides its runs: a round trip, starting the binary, loading the model."""


@dataclass(frozen=True)
class Estimate:
    """What measuring models will take, from experience on a 2-core server; other machines differ by half.

    Args:
        num_models: to measure.
        num_missing: of which so many are to be converted first.
        converting_s: seconds for that, but for what goes on while another device measures.
        measuring_s: seconds for measuring.
    """

    num_models: int
    num_missing: int
    converting_s: float
    measuring_s: float

    @property
    def seconds(self) -> float:
        """Both together."""
        return self.converting_s + self.measuring_s


def estimate_profile_seconds(
    operators: Iterable[Operator],
    cache: ConversionCache,
    *,
    runtime: RuntimeName = "tflite",
    precision: Precision = "fp32",
    jobs: int | None = None,
    definition: DeviceDefinition | None = None,
) -> Estimate:
    """The estimate for operators.

    Args:
        operators: to be profiled; those that are free are left out.
        cache: what it holds need not be converted.
        runtime: with what.
        precision: of the models.
        jobs: conversions side by side.
        definition: of the device; None for this computer.
    """
    model_format = RUNTIME_FORMATS[runtime]
    charged = {op for op in operators if not op.is_free}
    missing = sum(not cache.path(op, model_format, precision).exists() for op in {*charged, SENTINEL})
    return _estimate(len(charged), missing, _CONVERSION_S[model_format], jobs, definition)


def estimate_networks_seconds(
    space: Space,
    num_networks: int,
    *,
    runtime: RuntimeName = "tflite",
    jobs: int | None = None,
    definition: DeviceDefinition | None = None,
) -> Estimate:
    """The estimate for whole networks of a space, all of which are taken to be converted first.

    Which networks it will be, latencies decide that are not measured yet.

    Args:
        space: of the networks.
        num_networks: asked for; the space may hold fewer.
        runtime: with what.
        jobs: conversions side by side.
        definition: of the device; None for this computer.
    """
    count = num_designed(space, num_networks)
    num_operators = len(space.decode(space.sample(np.random.default_rng(0))).nodes)
    alone_s = _CONVERSION_S[RUNTIME_FORMATS[runtime]]
    conversion_s = alone_s * (_FIXED_SHARE + (1 - _FIXED_SHARE) * num_operators)
    return _estimate(count, count, conversion_s, jobs, definition)


def _estimate(
    num_models: int,
    num_missing: int,
    conversion_s: float,
    jobs: int | None,
    definition: DeviceDefinition | None,
) -> Estimate:
    processes = jobs or os.cpu_count() or 1
    converting_s = _START_S + math.ceil(num_missing / processes) * conversion_s if num_missing else 0.0
    measuring_s = _MEASURING_S * num_models
    if isinstance(definition, AdbDefinition):
        measuring_s = _launching_s(definition) * num_models
        converting_s = max(0.0, converting_s - measuring_s)  # goes on beside measuring
    return Estimate(num_models, num_missing, converting_s, measuring_s)


def _launching_s(definition: AdbDefinition) -> float:
    """Seconds per model where a round is a launch: one to learn the pace, then as many as it takes."""
    protocol = definition.protocol
    launch_s = (definition.warmup_ms + protocol.round_ms) / 1000 + _LAUNCH_S
    return (
        launch_s * (1 + (protocol.min_rounds + protocol.max_rounds) / 2) * (1 + 1 / protocol.sentinel_period)
    )
