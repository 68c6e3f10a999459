"""A target in a search: the latency there, the budget on it, and finalists measured on it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fbsearch.architecture import Architecture
from fbsearch.costs import Cost, range_of, searchable_latency
from fbsearch.pipeline.choice.attempts import Attempt
from fbsearch.pipeline.choice.choosing import FinalistMeter, MeasureWhole
from fbsearch.pipeline.choice.limits import target_limit
from fbsearch.pipeline.choice.meters import Recalibration, WholeNetworkMeter, designed_table
from fbsearch.pipeline.targets.growing import grow_for
from fbsearch.pipeline.targets.target import Target
from fbsearch.search import Limit
from fbsearch.spaces import Space, canonical


def limit_of(target: Target, space: Space) -> Limit:
    """The latency budget, on the latency as the search begins with it."""
    return target_limit(target.load_table(), latency_on(target, space), target.settings.budget_ms)


def latency_on(target: Target, space: Space) -> Cost:
    """The latency on a target by its table as it is now, without what a search added to the calibration."""
    table = designed_table(target.load_table(), space)
    return searchable_latency(space, table, plain=not target.is_calibrated)


def describe_limit(limit: Limit, label: str, *, is_alone: bool) -> str:
    """A budget beside what the space offers.

    Args:
        limit: of a target.
        label: where its numbers come from, in words.
        is_alone: whether there is no other target to tell it from.
    """
    extent_us = range_of(limit.cost)
    where = "" if is_alone else f" on {limit.target}"
    offer = "" if extent_us is None else f"; the space offers {_ms(extent_us[0])} to {_ms(extent_us[1])} ms"
    return f"budget {_ms(limit.bound)} ms{where}{offer} ({label})"


def _ms(latency_us: float) -> str:
    return f"{latency_us / 1000:.4g}"


def meter_of(target: Target, space: Space, attempts: Sequence[Attempt]) -> FinalistMeter:
    """Measures finalists on a target.

    Args:
        target: where.
        space: of the finalists.
        attempts: models that were exported before.
    """
    protocol, measure = target.settings.profile.protocol, whole_network_meter(target)
    exported = {
        canonical(space, attempt.architecture): attempt.measurement(protocol, target.number)
        for attempt in attempts
    }
    grow = partial(_grown_latency, target, space) if space.operators() is None else None
    table = designed_table(target.load_table(), space)
    if not target.is_calibrated or table.calibration_for(space) is None:
        return FinalistMeter(measure, exported=exported, grow=grow)
    learn = Recalibration(space, table, target.table_path, exported=frozenset(exported))
    return FinalistMeter(measure, learn, exported, grow)


def _grown_latency(target: Target, space: Space, architectures: Sequence[Architecture]) -> Cost:
    """The latency on a target once all that some architectures take there is measured."""
    grow_for(target, architectures)
    return latency_on(target, space)


def whole_network_meter(target: Target) -> MeasureWhole:
    """Measures whole networks on a target, with its settings."""
    return WholeNetworkMeter(
        target.device,
        target.settings.device,
        target.settings.profile,
        seed=target.recipe.seed,
        progress=target.progress,
        launches=target.paths.launches(target.number),
        reference_us=lambda: target.load_table().sentinel.baseline_us,
    )
