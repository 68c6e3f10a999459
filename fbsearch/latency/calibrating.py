"""Calibrating a table: whole networks of a design, measured with the operators or for a table that exists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device
from fbsearch.errors import InvalidInputError
from fbsearch.latency.calibration import isolated_latencies
from fbsearch.latency.covering import choose_covering
from fbsearch.latency.design import MIN_NETWORKS, design_networks
from fbsearch.latency.fitting import FloatArray
from fbsearch.latency.naming import calibration_journal_path
from fbsearch.latency.places import Places
from fbsearch.latency.settings import CONVERTED, ON_SCREEN, ModelSource, Watch
from fbsearch.latency.table import LatencyTable
from fbsearch.latency.terms import OperatorTerms
from fbsearch.latency.whole_networks import table_bench
from fbsearch.spaces import Code, FactoredSpace, Space

_POOL = 1024
"""Random networks that a design of a space without independent decisions is chosen from."""
_DRAWS = 8
"""Draws for each of them, in spaces that hold fewer."""


def calibrate_table(
    table: LatencyTable,
    space: Space,
    device: Device,
    *,
    out: Path,
    num_networks: int,
    protocol: MeasurementProtocol | None = None,
    models: ModelSource = CONVERTED,
    seed: int = 0,
    watch: Watch = ON_SCREEN,
) -> LatencyTable:
    """Measure whole networks of ``space`` and write the table, calibrated with them, to ``out``.

    They are measured on the table's device, runtime and threads, as operators are: against each other,
    watched by the sentinel, whose pace the table tells. Each round goes to the journal
    ``OUT.calibration.partial`` as it ends; after an interruption, the same call goes on from there. A
    calibration that was there is replaced.

    Args:
        table: that holds the operators of ``space``; of an open one, those of the :func:`designed` networks.
        space: whose networks to measure.
        device: the table's.
        out: the calibrated table's file; replaced at the end, in one step.
        num_networks: how many; fewer are measured where the space holds fewer.
        protocol: how; by default as the table's operators.
        models: where model files come from.
        seed: of the design and the order of measuring.
        watch: who watches.

    Raises:
        InvalidInputError: if fewer networks are asked for than make a calibration.
        TableError: if the table is of another space, device or runtime, lacks an operator of a network, or
            cannot be written.
        ExportError: if a network cannot be converted.
        DeviceError: if the device or its runtime cannot be used, or a model does not run there.
        CalibrationError: if the networks make no calibration, or a poor one; the table stays as it was.
    """
    check_count(num_networks)
    opened = table_bench(table, space, device, path=out, protocol=protocol, models=models, seed=seed)
    with opened.measured(
        lambda: priced(table, space, designed(space, table.latency_us, num_networks, seed)),
        journal=calibration_journal_path(out),
        identity={"networks": num_networks},
        watch=watch,
    ) as networks:
        calibrated = table.with_calibration(
            networks.calibration(table, space, protocol=opened.bench.protocol, seed=seed)
        )
        calibrated.save(out)
    return calibrated


def designed(
    space: Space, latency_us: Callable[[Operator], float], count: int, seed: int
) -> tuple[Code, ...]:
    """Networks that tell most about a space's operators in context.

    Where decisions are independent, every candidate of each stands in equally many of them. Elsewhere they
    are chosen from random ones so that every operator stands in as many as can be. An open space's depend on
    nothing but the seed: they may be chosen before their operators are measured.

    Args:
        space: whose networks.
        latency_us: an operator's latency alone; not asked of an open space.
        count: how many; fewer where the space holds fewer.
        seed: of the design.
    """
    rng = np.random.default_rng([seed, 3])
    if isinstance(space, FactoredSpace):
        return design_networks(latencies_by_candidate(space, latency_us), count, rng)
    pool = _random_codes(space, max(_POOL, count), rng)
    architectures = [space.decode(code) for code in pool]
    terms = OperatorTerms.of(space, architectures)
    told = (terms.choices(architecture) for architecture in architectures)
    counts = terms.counts(choices for choices in told if choices is not None)
    sums_us = None if space.operators() is None else isolated_latencies(terms, latency_us).sums_us(counts)
    return tuple(pool[index] for index in choose_covering(counts, count, sums_us))


def latencies_by_candidate(space: FactoredSpace, latency_us: Callable[[Operator], float]) -> FloatArray:
    """``S x C``: what each candidate's operators take alone; NaN where a decision has no such candidate."""
    places = Places.of(space)
    isolated = isolated_latencies(places.terms, latency_us)
    return places.by_candidate(places.terms.rows(isolated.terms_us.tolist()))


def priced(table: LatencyTable, space: Space, codes: tuple[Code, ...]) -> tuple[Code, ...]:
    """``codes``, once the table has an entry for all that their networks take.

    Raises:
        MissingOperatorError: naming an operator that it lacks.
    """
    for code in codes:
        table.architecture_us(space.decode(code))
    return codes


def _random_codes(space: Space, count: int, rng: np.random.Generator) -> list[Code]:
    """Distinct ones; fewer in a space that holds few."""
    drawn: dict[Code, None] = {}
    for _ in range(_DRAWS * count):
        if len(drawn) == count:
            break
        drawn.setdefault(space.sample(rng))
    return list(drawn)


def check_count(num_networks: int) -> None:
    """Refuse a number of networks that makes no calibration.

    Raises:
        InvalidInputError: naming the least.
    """
    if num_networks < MIN_NETWORKS:
        raise InvalidInputError(
            f"{num_networks} whole networks make no calibration: it takes at least {MIN_NETWORKS}, and about "
            "four times as many as a layer has candidates for a good one"
        )
