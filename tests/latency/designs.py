"""What a design holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fbsearch.latency.calibration.design import Choices


def candidate_counts(networks: Sequence[Choices], shape: tuple[int, int]) -> NDArray[np.int64]:
    """``S x C``: in how many of the networks each candidate stands in each slot."""
    counts = np.zeros(shape, np.int64)
    for choices in networks:
        counts[np.arange(len(choices)), choices] += 1
    return counts
