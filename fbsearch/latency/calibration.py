"""A table's calibration: whole networks as measured, and the additive model fitted to them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fbsearch.architecture import Architecture, Operator
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.errors import ArchitectureError, CalibrationError, TableFormatError, TableValueError
from fbsearch.latency.calibration_records import CalibrationHeader, Diagnostics, Fit, MeasuredNetwork, Origin
from fbsearch.latency.design import Choices, candidate_counts
from fbsearch.latency.entry import TableEntry, parse_number
from fbsearch.latency.fitting import (
    ContextFit,
    FloatArray,
    IsolatedLatencies,
    Shrinkage,
    fit_in_context,
)
from fbsearch.latency.header import TableSeconds, validate_record
from fbsearch.latency.places import Keys, Places, choices_within
from fbsearch.spaces import FactoredSpace

WITHIN = 0.05
"""How far a prediction may be off to count as good."""

_DECIMALS = 4


@dataclass(frozen=True)
class Calibration:
    """Latencies per place and operator that add up to those of whole networks.

    Args:
        header: the fit, and where it comes from.
        networks: as measured.
    """

    header: CalibrationHeader
    networks: tuple[MeasuredNetwork, ...]

    @property
    def diagnostics(self) -> Diagnostics:
        """How good it is."""
        return self.header.diagnostics

    @property
    def summary(self) -> str:
        """One line for people."""
        figures = self.diagnostics
        unseen = f"; {figures.num_unseen} candidates stand in none of them" if figures.num_unseen else ""
        return (
            f"{figures.num_networks} whole networks; each, predicted from the others, is off by "
            f"{figures.mean_abs_error:.1%} on average and by at most {figures.max_abs_error:.1%} "
            f"(a line alone {figures.line_mean_abs_error:.1%}, plain sums {figures.sum_mean_abs_error:.1%}, "
            f"the measurement repeats to {figures.repeatability:.1%}){unseen}"
        )

    @property
    def fixed_us(self) -> float:
        """What every network takes besides its candidates; may be below 0."""
        return self.header.fit.fixed_us

    @property
    def candidates_us(self) -> FloatArray:
        """``P x K``: the calibrated latencies by place; NaN where a place has no such operator."""
        return _padded(self.header.fit.candidates_us)

    def matches(self, space: FactoredSpace) -> bool:
        """Whether it speaks for ``space``: the same operators in the same places."""
        places = Places.of(space)
        own = (self.header.fixed, self.header.slots, self.header.place_names)
        return own == (places.fixed, places.slots, places.names)

    def latencies_us(self, space: FactoredSpace) -> FloatArray:
        """``S x C``: the calibrated latency of each decision's candidates; NaN where there is none."""
        return Places.of(space).by_candidate(self.candidates_us)

    def predict_us(self, choices: Sequence[int], *, idle_us: float = 0.0) -> float:
        """The calibrated latency of the network that has ``choices`` at the places.

        Args:
            choices: an index for each place.
            idle_us: what the fixed operators that it does not compute take alone.
        """
        rows = zip(self.header.fit.candidates_us, choices, strict=True)
        return self.fixed_us + sum(row[i] for row, i in rows) - self.header.fit.slope * idle_us

    def choices_of(self, architecture: Architecture) -> Choices | None:
        """What ``architecture`` has at each place of the calibrated space, or None if it is not in it."""
        header = self.header
        return choices_within(architecture, names=header.place_names, fixed=header.fixed, slots=header.slots)

    def measured(self, *origins: Origin) -> list[tuple[Choices, Origin, Measurement | TableEntry]]:
        """Its networks as :func:`calibrate` takes them: those measured for one of ``origins``, or all."""
        kept = [one for one in self.networks if not origins or one.origin in origins]
        return [(one.choices, one.origin, one.measurement) for one in kept]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        networks = [network.to_dict() for network in self.networks]
        return {**self.header.model_dump(mode="json"), "networks": networks}

    @staticmethod
    def from_dict(data: Any, latency_us: Callable[[Operator], float], *, source: str) -> Calibration:
        """The calibration whose :meth:`to_dict` is ``data``, checked against its raw values.

        Args:
            data: parsed JSON.
            latency_us: an operator's entry in the table.
            source: the file and the block, for messages.

        Raises:
            TableFormatError: if a field is missing, unknown or of the wrong type or length.
            TableValueError: if a number is impossible, or not what the networks' raw values give.
            MissingOperatorError: if the table lacks one of its operators.
        """
        if not isinstance(data, Mapping):
            raise TableFormatError(f"{source}: must be an object")
        fields = {name: value for name, value in data.items() if name != "networks"}
        header = validate_record(CalibrationHeader, fields, source=source)
        isolated = _isolated(header.fixed, header.slots, latency_us, source)
        _check_lengths(header, source)
        rows = data.get("networks")
        if not isinstance(rows, list):
            raise TableFormatError(f"{source}: networks must be a list")
        networks = tuple(
            _network(row, isolated, header, f"{source}: networks[{index}]") for index, row in enumerate(rows)
        )
        _check_fit(header, isolated, networks, source)
        return Calibration(header, networks)


def calibrate(
    space: FactoredSpace,
    latency_us: Callable[[Operator], float],
    measured: Iterable[tuple[Choices, Origin, Measurement | TableEntry]],
    *,
    protocol: MeasurementProtocol,
    seed: int,
    seconds: TableSeconds,
    shrinkage: Shrinkage | None = None,
) -> Calibration:
    """Fit the additive model to whole networks of ``space``.

    Args:
        space: whose networks were measured.
        latency_us: an operator's latency alone.
        measured: what stands at each place, why it was measured, and the measurement of the whole.
        protocol: how they were measured.
        seed: of their design and the order of measuring.
        seconds: what that took.
        shrinkage: how freely corrections may move; None chooses it by cross-validation.

    Raises:
        CalibrationError: if the networks are too few, or do not take longer where sums are larger.
    """
    places = Places.of(space)
    slots = places.slots
    isolated = _isolated(places.fixed, slots, latency_us, "this table")
    networks = tuple(
        MeasuredNetwork(
            choices,
            origin,
            round(float(isolated.sums_us([choices])[0]), _DECIMALS),
            one if isinstance(one, TableEntry) else TableEntry.of(one),
        )
        for choices, origin, one in measured
    )
    fit = _fitted(isolated, networks, shrinkage)
    fixed_us, candidates_us = fit.coefficients(isolated)
    header = CalibrationHeader(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        protocol=protocol,
        seed=seed,
        seconds=seconds,
        fixed=places.fixed,
        slots=slots,
        places=places.names,
        fit=Fit(
            intercept_us=round(fit.intercept_us, _DECIMALS),
            slope=round(fit.slope, 6),
            spread=fit.shrinkage.spread,
            shared=fit.shrinkage.shared,
            alike=fit.shrinkage.alike,
            fixed_us=round(fixed_us, _DECIMALS),
            candidates_us=tuple(
                tuple(round(float(value), _DECIMALS) for value in row[: len(keys)])
                for row, keys in zip(candidates_us, slots, strict=True)
            ),
        ),
        diagnostics=_diagnose(isolated, networks, fit),
    )
    return Calibration(header, networks)


def check_quality(calibration: Calibration) -> None:
    """Refuse a calibration that is no better than none, as a busy device makes one.

    The bounds are its protocol's: ``max_repeatability``, and ``max_error_ratio`` where networks, each
    predicted from the others, are off by more than :data:`WITHIN`.

    Raises:
        CalibrationError: saying what was seen, and what is allowed.
    """
    figures, protocol = calibration.diagnostics, calibration.header.protocol
    remedy = "quieten the device and measure afresh (these rounds are not kept: they would only fail again)"
    if figures.repeatability > protocol.max_repeatability:
        raise CalibrationError(
            f"whole networks repeat to {figures.repeatability:.1%} only, and at most "
            f"{protocol.max_repeatability:.1%} is allowed: {remedy}, or raise the protocol's "
            "max_repeatability"
        )
    allowed = max(protocol.max_error_ratio * figures.sum_mean_abs_error, WITHIN)
    if figures.mean_abs_error > allowed:
        raise CalibrationError(
            f"whole networks, each predicted from the others, are off by {figures.mean_abs_error:.1%}, plain "
            f"sums by {figures.sum_mean_abs_error:.1%}, and at most {allowed:.1%} is allowed: {remedy}, "
            "measure more networks, or raise the protocol's max_error_ratio"
        )


def isolated_latencies(space: FactoredSpace, latency_us: Callable[[Operator], float]) -> IsolatedLatencies:
    """A space's operators as measured alone."""
    places = Places.of(space)
    return _isolated(places.fixed, places.slots, latency_us, "this table")


def _isolated(
    fixed: Keys, slots: tuple[Keys, ...], latency_us: Callable[[Operator], float], source: str
) -> IsolatedLatencies:
    def latency_of(key: str) -> float:
        try:
            return latency_us(Operator.from_key(key))
        except ArchitectureError as error:
            raise TableFormatError(f"{source}: {error}") from None

    return IsolatedLatencies(
        fixed_us=sum(map(latency_of, fixed)),
        candidates_us=_padded([[latency_of(key) for key in keys] for keys in slots]),
        operators=_numbered(slots),
        blocks=_numbered([[Operator.from_key(key).block for key in keys] for keys in slots]),
    )


def _numbered(rows: Sequence[Sequence[Hashable]]) -> NDArray[np.int64]:
    """A number for each distinct value, one more where rows are shorter than others."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(itertools.chain(*rows)))}
    padded = _padded([[float(numbers[value]) for value in row] for row in rows])
    return np.nan_to_num(padded, nan=len(numbers)).astype(np.int64)


def _padded(rows: Sequence[Sequence[float]]) -> FloatArray:
    padded = np.full((len(rows), max(map(len, rows))), np.nan)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded


def _fitted(
    isolated: IsolatedLatencies,
    networks: Sequence[MeasuredNetwork],
    shrinkage: Shrinkage | None = None,
) -> ContextFit:
    choices = [network.choices for network in networks]
    return fit_in_context(isolated, choices, [n.latency_us for n in networks], shrinkage=shrinkage)


def _diagnose(
    isolated: IsolatedLatencies, networks: Sequence[MeasuredNetwork], fit: ContextFit
) -> Diagnostics:
    candidates = isolated.candidates_us
    seen = candidate_counts([network.choices for network in networks], candidates.shape)
    errors = np.abs(fit.errors)
    line = np.abs(_fitted(isolated, networks, Shrinkage()).errors)
    sums = [abs(network.sum_us / network.latency_us - 1) for network in networks]
    return Diagnostics(
        num_networks=len(networks),
        num_unseen=int(((seen == 0) & np.isfinite(candidates)).sum()),
        mean_abs_error=round(float(errors.mean()), 6),
        max_abs_error=round(float(errors.max()), 6),
        share_within_5_percent=round(float((errors <= WITHIN).mean()), 6),
        line_mean_abs_error=round(float(line.mean()), 6),
        sum_mean_abs_error=round(float(np.mean(sums)), 6),
        repeatability=round(float(np.mean([network.repeatability for network in networks])), 6),
    )


def _check_lengths(header: CalibrationHeader, source: str) -> None:
    if [len(row) for row in header.fit.candidates_us] != [len(keys) for keys in header.slots]:
        raise TableFormatError(f"{source}: fit.candidates_us must hold a number per key of slots")
    for index, keys in enumerate(header.slots):
        if len(set(keys)) != len(keys):
            raise TableFormatError(f"{source}: slots[{index}] holds an operator twice")


def _network(row: Any, isolated: IsolatedLatencies, header: CalibrationHeader, place: str) -> MeasuredNetwork:
    if not isinstance(row, Mapping):
        raise TableFormatError(f"{place}: must be an object")
    fields = dict(row)
    choices, origin, sum_us = (fields.pop(name, None) for name in ("choices", "origin", "sum_us"))
    if (
        not isinstance(choices, list)
        or len(choices) != len(header.slots)
        or any(isinstance(i, bool) or not isinstance(i, int) for i in choices)
        or any(not 0 <= i < len(keys) for i, keys in zip(choices, header.slots, strict=True))
    ):
        raise TableFormatError(f"{place}: choices must hold a candidate's index for each of the slots")
    if origin not in get_args(Origin):
        raise TableFormatError(f"{place}: origin must be one of {', '.join(get_args(Origin))}")
    sum_us = parse_number(sum_us, f"{place}: sum_us", positive=True)
    expected = float(isolated.sums_us([choices])[0])
    if not math.isclose(sum_us, expected, rel_tol=1e-6, abs_tol=1e-3):
        raise TableValueError(
            f"{place}: sum_us is {sum_us:g}, but the table's entries add up to {expected:.{_DECIMALS}f}; "
            "the file was changed after measuring: calibrate it again"
        )
    entry = TableEntry.from_dict(fields, header.protocol, place=place)
    return MeasuredNetwork(tuple(choices), origin, sum_us, entry)


def _check_fit(
    header: CalibrationHeader,
    isolated: IsolatedLatencies,
    networks: Sequence[MeasuredNetwork],
    source: str,
) -> None:
    """Fit again with the stored shrinkage: an edited number does not pass for a fitted one."""
    stored = header.fit
    try:
        fit = _fitted(isolated, networks, stored.shrinkage)
    except CalibrationError as error:
        raise TableValueError(f"{source}: {error}") from None
    fixed_us, candidates_us = fit.coefficients(isolated)
    # Other processors round otherwise; what matters to a network's latency is seen all the same.
    tolerance = 1e-3 + 1e-5 * float(np.mean([network.latency_us for network in networks]))
    pairs: dict[str, tuple[float | FloatArray, float | FloatArray]] = {
        "fixed_us": (stored.fixed_us, fixed_us),
        "candidates_us": (_padded(stored.candidates_us), candidates_us),
        "intercept_us": (stored.intercept_us, fit.intercept_us),
        "slope": (stored.slope, fit.slope),
    }
    for name, (given, computed) in pairs.items():
        allowed = 1e-4 if name == "slope" else tolerance
        if not np.allclose(given, computed, rtol=0, atol=allowed, equal_nan=True):
            raise TableValueError(
                f"{source}: fit.{name} is not what its networks give; "
                "the file was changed after measuring: calibrate it again"
            )
    if _differs(header.diagnostics, _diagnose(isolated, networks, fit)):
        raise TableValueError(
            f"{source}: diagnostics are not what its networks give; "
            "the file was changed after measuring: calibrate it again"
        )


def _differs(stored: Diagnostics, computed: Diagnostics) -> bool:
    pairs = zip(stored.model_dump().values(), computed.model_dump().values(), strict=True)
    return any(
        one != other if isinstance(one, int) else not math.isclose(one, other, rel_tol=1e-3, abs_tol=1e-4)
        for one, other in pairs
    )
