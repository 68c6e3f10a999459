"""The parts of a calibration, as they stand in a table's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.latency.calibration.design import Choices
from fbsearch.latency.calibration.fitting import Shrinkage
from fbsearch.latency.calibration.terms import OperatorTerms, PlaceTerms, Terms
from fbsearch.latency.entries.entry import TableEntry
from fbsearch.latency.entries.header import TableRecord, TableSeconds

Origin = Literal["design", "search", "export"]
"""Why a network was measured: to calibrate, because a search proposed it, or as the exported model."""

_Keys = tuple[str, ...]
_Share = Annotated[float, Field(ge=0, le=1)]
_Error = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class MeasuredNetwork:
    """A whole network.

    Args:
        choices: index of the operator that stands at each place, or of each of its operators.
        origin: why it was measured.
        sum_us: sum of its operators' entries.
        measurement: of the whole.
    """

    choices: Choices
    origin: Origin
    sum_us: float
    measurement: TableEntry

    @property
    def latency_us(self) -> float:
        """As measured."""
        return self.measurement.latency_us

    @property
    def repeatability(self) -> float:
        """How far the medians of its odd and of its even rounds are apart, as a share."""
        return repeatability(self.measurement.rounds_us)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "choices": list(self.choices),
            "origin": self.origin,
            "sum_us": self.sum_us,
            **self.measurement.to_dict(),
        }


class Fit(TableRecord):
    """The fitted model; see :mod:`fbsearch.latency.calibration.fitting`.

    Args:
        intercept_us: alpha.
        slope: beta.
        spread: t of the shrinkage.
        shared: rho of the shrinkage.
        alike: kappa of the shrinkage; 0 in tables of before it was there.
        fixed_us: calibrated latency of what is not chosen; may be below 0.
        candidates_us: calibrated latency per row and operator of the terms.
        block_shares: of each term without a place, the correction that its block has in common, as a share
            of the isolated latency; none for terms with places.
    """

    intercept_us: float
    slope: Annotated[float, Field(gt=0)]
    spread: Annotated[float, Field(ge=0, le=1e9)]
    shared: _Share
    alike: _Share = 0.0
    fixed_us: float
    candidates_us: Annotated[
        tuple[Annotated[tuple[float, ...], Field(strict=False)], ...], Field(strict=False)
    ]
    block_shares: Annotated[tuple[float, ...], Field(strict=False)] = ()

    @property
    def shrinkage(self) -> Shrinkage:
        """How freely corrections moved."""
        return Shrinkage(self.spread, self.shared, self.alike)


class Diagnostics(TableRecord):
    """How good a calibration is; errors are shares of the measured latency.

    Args:
        num_networks: measured.
        num_unseen: terms that stand in none of them: there the line alone, and what was learnt of the
            operator or its block elsewhere, speaks.
        mean_abs_error: of each network as predicted from all the others.
        max_abs_error: the largest of them.
        share_within_5_percent: of these networks.
        line_mean_abs_error: the same for a line without corrections.
        sum_mean_abs_error: of the plain sums.
        repeatability: mean difference between a network's odd and even rounds: no prediction can be better.
    """

    num_networks: Annotated[int, Field(ge=3)]
    num_unseen: Annotated[int, Field(ge=0)]
    mean_abs_error: _Error
    max_abs_error: _Error
    share_within_5_percent: _Share
    line_mean_abs_error: _Error
    sum_mean_abs_error: _Error
    repeatability: _Error


class CalibrationHeader(TableRecord):
    """Everything but the networks.

    Args:
        created: when it was fitted, UTC.
        protocol: how the networks were measured.
        seed: of the design and the order of measuring.
        seconds: what it took.
        fixed: keys of what is not chosen, in order.
        slots: keys of the operators that may stand at each place, or one row of all operators.
        places: names of the places, as nodes are called; none in files of before spaces of graphs.
        space: fingerprint of the space whose operators are told apart wherever they stand; empty where
            places are.
        fit: the model.
        diagnostics: how good it is.
    """

    created: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\+00:00|Z)$")]
    protocol: MeasurementProtocol
    seed: Annotated[int, Field(ge=0)]
    seconds: TableSeconds
    fixed: Annotated[_Keys, Field(strict=False)]
    slots: Annotated[
        tuple[Annotated[_Keys, Field(min_length=1, strict=False)], ...], Field(min_length=1, strict=False)
    ]
    places: Annotated[_Keys, Field(strict=False)] = ()
    space: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    fit: Fit
    diagnostics: Diagnostics

    @property
    def terms(self) -> Terms:
        """What the networks were told by."""
        if self.space:
            return OperatorTerms(self.slots[:1], (), self.space)
        # Older files do not name the places: they are the layers of a chain.
        names = self.places or tuple(f"layers/{index}" for index in range(len(self.slots)))
        return PlaceTerms(self.slots, self.fixed, names)


def repeatability(rounds_us: Sequence[Sequence[float]]) -> float:
    """|odd / even - 1| of the medians of odd and even rounds; 0 of a single round."""
    medians = [float(np.median(values)) for values in rounds_us]
    if len(medians) < 2:
        return 0.0
    return abs(float(np.median(medians[::2])) / float(np.median(medians[1::2])) - 1)
