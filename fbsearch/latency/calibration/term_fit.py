"""The additive model of a calibration's terms, as a table records it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from fbsearch.architecture import Operator
from fbsearch.errors import ArchitectureError, TableFormatError
from fbsearch.latency.calibration.fitting import ContextFit, IsolatedLatencies, Shrinkage, fit_in_context
from fbsearch.latency.calibration.records import Diagnostics, Fit, MeasuredNetwork
from fbsearch.latency.calibration.terms import Terms

WITHIN = 0.05
"""How far a prediction may be off to count as good."""

DECIMALS = 4
"""Of latencies in microseconds, as recorded."""


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


def fit_terms(
    terms: Terms,
    isolated: IsolatedLatencies,
    networks: Sequence[MeasuredNetwork],
    shrinkage: Shrinkage | None = None,
) -> ContextFit:
    """The additive model of networks; ``shrinkage`` None chooses it by cross-validation."""
    counts = terms.counts(network.choices for network in networks)
    return fit_in_context(isolated, counts, [n.latency_us for n in networks], shrinkage=shrinkage)


def diagnose(
    terms: Terms, isolated: IsolatedLatencies, networks: Sequence[MeasuredNetwork], fit: ContextFit
) -> Diagnostics:
    """How good a fit to networks is."""
    seen = terms.counts(network.choices for network in networks).sum(axis=0)
    errors = np.abs(fit.errors)
    line = np.abs(fit_terms(terms, isolated, networks, Shrinkage()).errors)
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


def record_fit(fit: ContextFit, terms: Terms, isolated: IsolatedLatencies) -> Fit:
    """A fit as a table holds it."""
    fixed_us, terms_us = fit.coefficients(isolated)
    return Fit(
        intercept_us=round(fit.intercept_us, DECIMALS),
        slope=round(fit.slope, 6),
        spread=fit.shrinkage.spread,
        shared=fit.shrinkage.shared,
        alike=fit.shrinkage.alike,
        fixed_us=round(fixed_us, DECIMALS),
        candidates_us=terms.rows([round(value, DECIMALS) for value in terms_us.tolist()]),
        block_shares=block_shares(fit, terms),
    )


def block_shares(fit: ContextFit, terms: Terms) -> tuple[float, ...]:
    """Of use where an operator may come that is no term; elsewhere none."""
    return tuple(round(share, 6) for share in fit.blocks.tolist()) if terms.places is None else ()
