"""How long profiling will take, before it starts."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fbsearch.devices.description import RuntimeName
from fbsearch.devices.runner import RUNTIME_FORMATS
from fbsearch.latency.profiling import SENTINEL
from fbsearch.spaces import LayerwiseSpace

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache

_CONVERSION_S = {"tflite": 1.4, "onnx": 0.9}
_START_S = 8.0
_MEASURING_S = 0.4


@dataclass(frozen=True)
class ProfileEstimate:
    """What a profile will take, from experience on a 2-core server; other machines differ by half.

    Args:
        num_operators: to measure.
        num_missing: of which so many are to be converted first.
        converting_s: seconds for that.
        measuring_s: seconds for measuring.
    """

    num_operators: int
    num_missing: int
    converting_s: float
    measuring_s: float

    @property
    def seconds(self) -> float:
        """Both together."""
        return self.converting_s + self.measuring_s


def estimate_profile_seconds(
    space: LayerwiseSpace, cache: ConversionCache, *, runtime: RuntimeName = "tflite", jobs: int | None = None
) -> ProfileEstimate:
    """The estimate for a space, given what the cache already holds."""
    model_format = RUNTIME_FORMATS[runtime]
    operators = [op for op in space.operators() if not op.is_identity]
    missing = sum(not cache.path(op, model_format).exists() for op in {*operators, SENTINEL})
    processes = jobs or os.cpu_count() or 1
    converting_s = _START_S + math.ceil(missing / processes) * _CONVERSION_S[model_format] if missing else 0.0
    return ProfileEstimate(len(operators), missing, converting_s, _MEASURING_S * len(operators))
