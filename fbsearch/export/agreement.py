"""How well a converted model agrees with the network that it came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fbsearch.errors import ExportError


@dataclass(frozen=True)
class Agreement:
    """Two models' outputs on the same inputs, compared.

    Args:
        max_abs_diff: largest absolute difference of any output value.
        top1_agreement: share of the samples for which both name the same class, in [0, 1].
        num_samples: number of samples N.
    """

    max_abs_diff: float
    top1_agreement: float
    num_samples: int


def agreement(reference: npt.ArrayLike, outputs: npt.ArrayLike) -> Agreement:
    """Compare class scores of two models on the same samples.

    Args:
        reference: ``N x classes``, of the network.
        outputs: ``N x classes``, of the converted model.

    Raises:
        ExportError: if the shapes differ, there is no sample, or a value is NaN or infinite.

    >>> agreement([[0.0, 1.0], [1.0, 0.0]], [[0.0, 0.5], [0.0, 0.25]])
    Agreement(max_abs_diff=1.0, top1_agreement=0.5, num_samples=2)
    """
    expected, given = np.asarray(reference, dtype=np.float64), np.asarray(outputs, dtype=np.float64)
    if expected.shape != given.shape or expected.ndim != 2 or not expected.size:
        raise ExportError(
            f"cannot compare outputs of shape {given.shape} with the network's {expected.shape}; "
            "both must be N x classes, with at least one sample"
        )
    for name, values in (("network", expected), ("converted model", given)):
        if not np.isfinite(values).all():
            raise ExportError(f"the {name} gives NaN or infinite outputs; its weights or inputs are broken")
    same = expected.argmax(axis=1) == given.argmax(axis=1)
    return Agreement(
        max_abs_diff=float(np.abs(expected - given).max()),
        top1_agreement=float(same.mean()),
        num_samples=len(expected),
    )
