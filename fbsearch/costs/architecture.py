"""The latency of whole architectures, of any space: what needs no independent decisions."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.architecture import Architecture
from fbsearch.latency import LatencyTable
from fbsearch.spaces import Space


@dataclass(frozen=True)
class ArchitectureLatency:
    """C(a) = sum of the entries of a's operators, or what a calibration with whole networks makes of them.

    Args:
        table: that holds the operators.
        is_calibrated: whether its calibration speaks for the architectures.
        label: where the numbers come from, in words.
        name: the quantity with its unit.
    """

    table: LatencyTable
    is_calibrated: bool
    label: str
    name: str = "latency_us"

    def of(self, architecture: Architecture) -> float:
        """The latency of an architecture, in microseconds.

        Raises:
            MissingOperatorError: naming an operator that the table lacks.
        """
        plain_us = self.table.architecture_us(architecture)
        calibrated_us = self.table.calibrated_us(architecture) if self.is_calibrated else None
        return plain_us if calibrated_us is None else calibrated_us


def architecture_latency(space: Space, table: LatencyTable, *, plain: bool = False) -> ArchitectureLatency:
    """Latency in microseconds of a space's architectures: calibrated where the table is, else the plain sum.

    At the architectures of a factored space it is what :func:`fbsearch.costs.latency_cost` gives.

    Args:
        space: of the architectures.
        table: that holds its operators; of an open space, those of the architectures that will be priced.
        plain: take the operators as measured alone whatever else the table holds.

    Raises:
        TableError: if the table is of another space and lacks an operator.
    """
    table.check_space(space)
    is_calibrated = not plain and table.calibration_for(space) is not None
    return ArchitectureLatency(table, is_calibrated, latency_label(space, table, plain=plain))


def latency_label(space: Space, table: LatencyTable, *, plain: bool = False) -> str:
    """Where latencies come from, in words."""
    calibration = None if plain else table.calibration_for(space)
    if calibration is not None:
        return f"calibrated with {len(calibration.networks)} whole networks"
    label = "plain sums of isolated operators"
    if table.calibration is not None and not plain:
        label += ", since the table's calibration is of another space"
    return label
