"""A table's calibration: whole networks as measured, and the additive model fitted to them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

from fbsearch.architecture import Architecture, Operator
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.errors import CalibrationError, TableFormatError
from fbsearch.latency.calibration.checks import check_fit, check_lengths, parse_network
from fbsearch.latency.calibration.design import Choices
from fbsearch.latency.calibration.fitting import (
    FloatArray,
    Shrinkage,
)
from fbsearch.latency.calibration.places import Places
from fbsearch.latency.calibration.records import CalibrationHeader, Diagnostics, MeasuredNetwork, Origin
from fbsearch.latency.calibration.term_fit import (
    DECIMALS,
    WITHIN,
    diagnose,
    fit_terms,
    isolated_latencies,
    record_fit,
)
from fbsearch.latency.calibration.terms import Terms, terms_of
from fbsearch.latency.entries.entry import TableEntry
from fbsearch.latency.entries.header import TableSeconds, validate_record
from fbsearch.spaces import FactoredSpace, Space


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
        common with others. Fixed operators that are not computed, see
        :attr:`fbsearch.architecture.Architecture.computing_nodes`, are not paid.

        Args:
            architecture: any.
            latency_us: an operator's latency alone.
        """
        choices = self.choices_of(architecture)
        if choices is not None:
            idle = self.terms.idle_operators(architecture)
            return self.predict_us(choices) - self.header.fit.slope * sum(map(latency_us, idle))
        if self.terms.places is not None:
            return None
        known = dict(zip(self.terms.keys, self._terms_us, strict=True))
        charged = (one for one in architecture.computed_operators() if not one.is_free)
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
        check_lengths(header, source)
        isolated = isolated_latencies(header.terms, latency_us, source)
        rows = data.get("networks")
        if not isinstance(rows, list):
            raise TableFormatError(f"{source}: networks must be a list")
        networks = tuple(
            parse_network(row, isolated, header, f"{source}: networks[{index}]")
            for index, row in enumerate(rows)
        )
        check_fit(header, isolated, networks, source)
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
            round(float(isolated.sums_us(terms.counts([choices]))[0]), DECIMALS),
            one if isinstance(one, TableEntry) else TableEntry.of(one),
        )
        for choices, origin, one in measured
    )
    fit = fit_terms(terms, isolated, networks, shrinkage)
    header = CalibrationHeader(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        protocol=protocol,
        seed=seed,
        seconds=seconds,
        **terms.record(),
        fit=record_fit(fit, terms, isolated),
        diagnostics=diagnose(terms, isolated, networks, fit),
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
