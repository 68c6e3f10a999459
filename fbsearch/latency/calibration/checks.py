"""What a calibration's file must be: of one length throughout, and what its raw values give."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from fbsearch.errors import CalibrationError, TableFormatError, TableValueError
from fbsearch.latency.calibration.fitting import IsolatedLatencies
from fbsearch.latency.calibration.records import CalibrationHeader, Diagnostics, MeasuredNetwork, Origin
from fbsearch.latency.calibration.term_fit import DECIMALS, block_shares, diagnose, fit_terms
from fbsearch.latency.entries.entry import TableEntry, parse_number


def check_lengths(header: CalibrationHeader, source: str) -> None:
    """Refuse rows of other lengths than the terms have.

    Raises:
        TableFormatError: naming the field.
    """
    if [len(row) for row in header.fit.candidates_us] != [len(keys) for keys in header.slots]:
        raise TableFormatError(f"{source}: fit.candidates_us must hold a number per key of slots")
    for index, keys in enumerate(header.slots):
        if _is_twice(keys):
            raise TableFormatError(f"{source}: slots[{index}] holds an operator twice")
    if header.places and (len(header.places) != len(header.slots) or _is_twice(header.places)):
        raise TableFormatError(f"{source}: places must hold a name of its own for each row of slots")
    if header.space and (len(header.slots) != 1 or header.fixed or header.places):
        raise TableFormatError(f"{source}: with space there must be one row of slots, no fixed and no places")
    if len(header.fit.block_shares) != (len(header.slots[0]) if header.space else 0):
        raise TableFormatError(
            f"{source}: fit.block_shares must hold a number per key where space is given, else none"
        )


def _is_twice(names: Sequence[str]) -> bool:
    return len(set(names)) != len(names)


def parse_network(
    row: Any, isolated: IsolatedLatencies, header: CalibrationHeader, place: str
) -> MeasuredNetwork:
    """A network of a file, checked against its raw values and the table's entries.

    Raises:
        TableFormatError, TableValueError: naming the field.
    """
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
            f"{place}: sum_us is {sum_us:g}, but the table's entries add up to {expected:.{DECIMALS}f}; "
            "the file was changed after measuring: calibrate it again"
        )
    entry = TableEntry.from_dict(fields, header.protocol, place=place)
    return MeasuredNetwork(tuple(choices), origin, sum_us, entry)


def check_fit(
    header: CalibrationHeader,
    isolated: IsolatedLatencies,
    networks: Sequence[MeasuredNetwork],
    source: str,
) -> None:
    """Fit again with the stored shrinkage: an edited number does not pass for a fitted one.

    Raises:
        TableValueError: naming the number.
    """
    stored = header.fit
    try:
        fit = fit_terms(header.terms, isolated, networks, stored.shrinkage)
    except CalibrationError as error:
        raise TableValueError(f"{source}: {error}") from None
    fixed_us, terms_us = fit.coefficients(isolated)
    # Other processors round otherwise; what matters to a network's latency is seen all the same.
    tolerance = 1e-3 + 1e-5 * float(np.mean([network.latency_us for network in networks]))
    pairs: dict[str, tuple[Sequence[float], Sequence[float], float]] = {
        "fixed_us": ([stored.fixed_us], [fixed_us], tolerance),
        "candidates_us": (list(itertools.chain(*stored.candidates_us)), terms_us.tolist(), tolerance),
        "block_shares": (stored.block_shares, block_shares(fit, header.terms), 1e-4),
        "intercept_us": ([stored.intercept_us], [fit.intercept_us], tolerance),
        "slope": ([stored.slope], [fit.slope], 1e-4),
    }
    for name, (given, computed, allowed) in pairs.items():
        if not np.allclose(given, computed, rtol=0, atol=allowed):
            raise TableValueError(
                f"{source}: fit.{name} is not what its networks give; "
                "the file was changed after measuring: calibrate it again"
            )
    if _differs(header.diagnostics, diagnose(header.terms, isolated, networks, fit)):
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
