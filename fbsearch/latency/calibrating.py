"""Calibrating a table: whole networks of a design, measured with the operators or for a table that exists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device
from fbsearch.errors import InvalidInputError
from fbsearch.latency.calibration import isolated_latencies
from fbsearch.latency.conversion import Converter, NetworkConverter
from fbsearch.latency.design import MIN_NETWORKS, Choices, design_networks
from fbsearch.latency.naming import calibration_journal_path
from fbsearch.latency.places import Places
from fbsearch.latency.table import LatencyTable
from fbsearch.latency.whole_networks import table_bench
from fbsearch.spaces import FactoredSpace

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache

_DRAWS = 100


def calibrate_table(
    table: LatencyTable,
    space: FactoredSpace,
    device: Device,
    *,
    out: Path,
    num_networks: int,
    protocol: MeasurementProtocol | None = None,
    cache: ConversionCache | None = None,
    jobs: int | None = None,
    converter: Converter | None = None,
    network_converter: NetworkConverter | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> LatencyTable:
    """Measure whole networks of ``space`` and write the table, calibrated with them, to ``out``.

    They are measured on the table's device, runtime and threads, as operators are: against each other,
    watched by the sentinel, whose pace the table tells. Each round goes to the journal
    ``OUT.calibration.partial`` as it ends; after an interruption, the same call goes on from there. A
    calibration that was there is replaced.

    Args:
        table: that holds the operators of ``space``.
        space: whose networks to measure.
        device: the table's.
        out: the calibrated table's file; replaced at the end, in one step.
        num_networks: how many; fewer are measured where the space holds fewer.
        protocol: how; by default as the table's operators.
        cache: of converted models; by default the user's.
        jobs: processes that convert in parallel; by default one per core.
        converter: where the sentinel's model comes from, in place of ``cache``.
        network_converter: where the networks' models come from, in place of ``cache`` and ``jobs``.
        seed: of the design and the order of measuring.
        progress: bars on screen; by default where standard error is a terminal.

    Raises:
        InvalidInputError: if fewer networks are asked for than make a calibration.
        TableError: if the table is of another space, device or runtime, or cannot be written.
        ExportError: if a network cannot be converted.
        DeviceError: if the device or its runtime cannot be used, or a model does not run there.
        CalibrationError: if the networks make no calibration, or a poor one; the table stays as it was.
    """
    check_count(num_networks)
    opened = table_bench(
        table,
        space,
        device,
        path=out,
        protocol=protocol,
        cache=cache,
        jobs=jobs,
        converter=converter,
        network_converter=network_converter,
        seed=seed,
    )
    with opened.measured(
        lambda: designed(space, table.latency_us, num_networks, seed),
        journal=calibration_journal_path(out),
        identity={"networks": num_networks},
        progress=progress,
    ) as networks:
        calibrated = table.with_calibration(
            networks.calibration(table, space, protocol=opened.bench.protocol, seed=seed)
        )
        calibrated.save(out)
    return calibrated


def designed(
    space: FactoredSpace, latency_us: Callable[[Operator], float], count: int, seed: int
) -> tuple[Choices, ...]:
    """Networks that tell most about a space's operators in context.

    Args:
        space: whose networks.
        latency_us: an operator's latency alone.
        count: how many; fewer where the space holds fewer.
        seed: of the design.
    """
    isolated = isolated_latencies(space, latency_us)
    by_candidate = Places.of(space).by_candidate(isolated.candidates_us)
    rng = np.random.default_rng([seed, 3])
    return _that_see(space, design_networks(by_candidate, count, rng), rng)


def _that_see(
    space: FactoredSpace, networks: Sequence[Choices], rng: np.random.Generator
) -> tuple[Choices, ...]:
    """Networks whose scores depend on the image, random ones in place of those that compute nothing.

    The fastest of a space of cells is one without a connection. Few changes away from it are networks of
    which next to nothing is left, on which no additive model holds.
    """
    seeing = {code: None for code in networks if space.decode(code).sees_image}
    for _ in range(_DRAWS):
        if len(seeing) == len(networks):
            break
        code = space.sample(rng)
        if space.decode(code).sees_image:
            seeing.setdefault(code)
    return tuple(seeing)


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
