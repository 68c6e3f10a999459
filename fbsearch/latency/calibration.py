"""A table's calibration: whole networks as measured, and the additive model fitted to them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fbsearch.architecture import Architecture, Operator
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.errors import ArchitectureError, CalibrationError, TableFormatError, TableValueError
from fbsearch.latency.calibration_records import CalibrationHeader, Diagnostics, Fit, MeasuredNetwork, Origin
from fbsearch.latency.design import Choices
from fbsearch.latency.entry import TableEntry, parse_number
from fbsearch.latency.fitting import (
    ContextFit,
    FloatArray,
    IsolatedLatencies,
    Shrinkage,
    fit_in_context,
)
from fbsearch.latency.header import TableSeconds, validate_record
from fbsearch.latency.places import Places
from fbsearch.latency.terms import Terms, terms_of
from fbsearch.spaces import FactoredSpace, Space

WITHIN = 0.05
"""How far a prediction may be off to count as good."""

_DECIMALS = 4


@dataclass(frozen=True)
class Calibration:
    """Latencies per term that add up to those of whole networks.

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

    @cached_property
    def terms(self) -> Terms:
        """What it tells apart."""
        return self.header.terms

    def matches(self, space: Space) -> bool:
        """Whether it speaks for ``space``: the same operators in the same places, or wherever they stand."""
        return self.terms.speak_for(terms_of(space))

    def latencies_us(self, space: FactoredSpace) -> FloatArray:
        """``S x C``: the calibrated latency of each decision's candidates; NaN where there is none."""
        return Places.of(space).by_candidate(self.header.fit.candidates_us)

    def predict_us(self, choices: Sequence[int]) -> float:
        """The calibrated latency of the network that has ``choices`` of the terms."""
        return self.fixed_us + sum(self._terms_us[number] for number in self.terms.numbers(tuple(choices)))

    def architecture_us(
        self, architecture: Architecture, latency_us: Callable[[Operator], float]
    ) -> float | None:
        """The calibrated latency of ``architecture``, or None where it is not one of the calibrated places'.

        Where there are no places, an operator that is no term takes the line, and what its block has in
        common with others.

        Args:
            architecture: any.
            latency_us: an operator's latency alone.
        """
        choices = self.choices_of(architecture)
        if choices is not None:
            return self.predict_us(choices)
        if self.terms.places is not None:
            return None
        known = dict(zip(self.terms.keys, self._terms_us, strict=True))
        charged = (one for one in architecture.operators() if not one.is_free)
        return self.fixed_us + sum(
            known[one.key] if one.key in known else self._by_block_us(one, latency_us) for one in charged
        )

    def choices_of(self, architecture: Architecture) -> Choices | None:
        """What ``architecture`` has of the calibrated terms, or None if it has something else."""
        return self.terms.choices(architecture)

    @cached_property
    def _terms_us(self) -> tuple[float, ...]:
        return tuple(itertools.chain(*self.header.fit.candidates_us))

    @cached_property
    def _block_shares(self) -> dict[Hashable, float]:
        blocks = (Operator.from_key(key).block for key in self.terms.keys)
        return dict(zip(blocks, self.header.fit.block_shares, strict=True))

    def _by_block_us(self, operator: Operator, latency_us: Callable[[Operator], float]) -> float:
        share = self.header.fit.slope + self._block_shares.get(operator.block, 0.0)
        return share * latency_us(operator)

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
        _check_lengths(header, source)
        isolated = isolated_latencies(header.terms, latency_us, source)
        rows = data.get("networks")
        if not isinstance(rows, list):
            raise TableFormatError(f"{source}: networks must be a list")
        networks = tuple(
            _network(row, isolated, header, f"{source}: networks[{index}]") for index, row in enumerate(rows)
        )
        _check_fit(header, isolated, networks, source)
        return Calibration(header, networks)


def calibrate(
    terms: Terms,
    latency_us: Callable[[Operator], float],
    measured: Iterable[tuple[Choices, Origin, Measurement | TableEntry]],
    *,
    protocol: MeasurementProtocol,
    seed: int,
    seconds: TableSeconds,
    shrinkage: Shrinkage | None = None,
) -> Calibration:
    """Fit the additive model to whole networks.

    Args:
        terms: what they are told by.
        latency_us: an operator's latency alone.
        measured: what each has of the terms, why it was measured, and the measurement of the whole.
        protocol: how they were measured.
        seed: of their design and the order of measuring.
        seconds: what that took.
        shrinkage: how freely corrections may move; None chooses it by cross-validation.

    Raises:
        CalibrationError: if the networks are too few, or do not take longer where sums are larger.
    """
    isolated = isolated_latencies(terms, latency_us)
    networks = tuple(
        MeasuredNetwork(
            choices,
            origin,
            round(float(isolated.sums_us(terms.counts([choices]))[0]), _DECIMALS),
            one if isinstance(one, TableEntry) else TableEntry.of(one),
        )
        for choices, origin, one in measured
    )
    fit = _fitted(terms, isolated, networks, shrinkage)
    header = CalibrationHeader(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        protocol=protocol,
        seed=seed,
        seconds=seconds,
        **terms.record(),
        fit=_record(fit, terms, isolated),
        diagnostics=_diagnose(terms, isolated, networks, fit),
    )
    return Calibration(header, networks)


def _record(fit: ContextFit, terms: Terms, isolated: IsolatedLatencies) -> Fit:
    fixed_us, terms_us = fit.coefficients(isolated)
    return Fit(
        intercept_us=round(fit.intercept_us, _DECIMALS),
        slope=round(fit.slope, 6),
        spread=fit.shrinkage.spread,
        shared=fit.shrinkage.shared,
        alike=fit.shrinkage.alike,
        fixed_us=round(fixed_us, _DECIMALS),
        candidates_us=terms.rows([round(value, _DECIMALS) for value in terms_us.tolist()]),
        block_shares=_block_shares(fit, terms),
    )


def _block_shares(fit: ContextFit, terms: Terms) -> tuple[float, ...]:
    """Of use where an operator may come that is no term; elsewhere none."""
    return tuple(round(share, 6) for share in fit.blocks.tolist()) if terms.places is None else ()


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


def isolated_latencies(
    terms: Terms, latency_us: Callable[[Operator], float], source: str = "this table"
) -> IsolatedLatencies:
    """The operators of terms as measured alone; ``source`` is named in errors."""

    def latency_of(key: str) -> float:
        try:
            return latency_us(Operator.from_key(key))
        except ArchitectureError as error:
            raise TableFormatError(f"{source}: {error}") from None

    return IsolatedLatencies(
        fixed_us=sum(map(latency_of, terms.fixed)),
        terms_us=np.array(list(map(latency_of, terms.keys))),
        operators=_numbered(terms.keys),
        blocks=_numbered([Operator.from_key(key).block for key in terms.keys]),
        places=terms.places,
    )


def _numbered(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """A number for each distinct value."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values])


def _fitted(
    terms: Terms,
    isolated: IsolatedLatencies,
    networks: Sequence[MeasuredNetwork],
    shrinkage: Shrinkage | None = None,
) -> ContextFit:
    counts = terms.counts(network.choices for network in networks)
    return fit_in_context(isolated, counts, [n.latency_us for n in networks], shrinkage=shrinkage)


def _diagnose(
    terms: Terms, isolated: IsolatedLatencies, networks: Sequence[MeasuredNetwork], fit: ContextFit
) -> Diagnostics:
    seen = terms.counts(network.choices for network in networks).sum(axis=0)
    errors = np.abs(fit.errors)
    line = np.abs(_fitted(terms, isolated, networks, Shrinkage()).errors)
    sums = [abs(network.sum_us / network.latency_us - 1) for network in networks]
    return Diagnostics(
        num_networks=len(networks),
        num_unseen=int((seen == 0).sum()),
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
    if header.space and (len(header.slots) != 1 or header.fixed or header.places):
        raise TableFormatError(f"{source}: with space there must be one row of slots, no fixed and no places")
    if len(header.fit.block_shares) != (len(header.slots[0]) if header.space else 0):
        raise TableFormatError(
            f"{source}: fit.block_shares must hold a number per key where space is given, else none"
        )


def _network(row: Any, isolated: IsolatedLatencies, header: CalibrationHeader, place: str) -> MeasuredNetwork:
    if not isinstance(row, Mapping):
        raise TableFormatError(f"{place}: must be an object")
    fields = dict(row)
    choices, origin, sum_us = (fields.pop(name, None) for name in ("choices", "origin", "sum_us"))
    if (
        not isinstance(choices, list)
        or any(isinstance(i, bool) or not isinstance(i, int) for i in choices)
        or not header.terms.allows(tuple(choices))
    ):
        raise TableFormatError(f"{place}: choices must hold a candidate's index for each of the slots")
    if origin not in get_args(Origin):
        raise TableFormatError(f"{place}: origin must be one of {', '.join(get_args(Origin))}")
    sum_us = parse_number(sum_us, f"{place}: sum_us", positive=True)
    expected = float(isolated.sums_us(header.terms.counts([tuple(choices)]))[0])
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
        fit = _fitted(header.terms, isolated, networks, stored.shrinkage)
    except CalibrationError as error:
        raise TableValueError(f"{source}: {error}") from None
    fixed_us, terms_us = fit.coefficients(isolated)
    # Other processors round otherwise; what matters to a network's latency is seen all the same.
    tolerance = 1e-3 + 1e-5 * float(np.mean([network.latency_us for network in networks]))
    pairs: dict[str, tuple[Sequence[float], Sequence[float], float]] = {
        "fixed_us": ([stored.fixed_us], [fixed_us], tolerance),
        "candidates_us": (list(itertools.chain(*stored.candidates_us)), terms_us.tolist(), tolerance),
        "block_shares": (stored.block_shares, _block_shares(fit, header.terms), 1e-4),
        "intercept_us": ([stored.intercept_us], [fit.intercept_us], tolerance),
        "slope": ([stored.slope], [fit.slope], 1e-4),
    }
    for name, (given, computed, allowed) in pairs.items():
        if not np.allclose(given, computed, rtol=0, atol=allowed):
            raise TableValueError(
                f"{source}: fit.{name} is not what its networks give; "
                "the file was changed after measuring: calibrate it again"
            )
    if _differs(header.diagnostics, _diagnose(header.terms, isolated, networks, fit)):
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
