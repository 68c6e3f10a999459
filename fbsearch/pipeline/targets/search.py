"""A target in a search: the latency there, the budget on it, and finalists measured on it."""

from __future__ import annotations

from collections.abc import Sequence

from fbsearch.costs import latency_in, range_of
from fbsearch.pipeline.choice.attempts import Attempt
from fbsearch.pipeline.choice.choosing import FinalistMeter, MeasureWhole
from fbsearch.pipeline.choice.limits import target_limit
from fbsearch.pipeline.choice.meters import Recalibration, WholeNetworkMeter, designed_table
from fbsearch.pipeline.targets.target import Target
from fbsearch.search import Limit
from fbsearch.spaces import Space, canonical


def limit_of(target: Target, space: Space) -> Limit:
    """The latency budget, on the latency as the search begins with it."""
    table = designed_table(target.load_table(), space)
    latency = latency_in(space, table, plain=not target.is_calibrated)
    return target_limit(table, latency, target.settings.budget_ms)


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
    table = designed_table(target.load_table(), space)
    if not target.is_calibrated or table.calibration_for(space) is None:
        return FinalistMeter(measure, exported=exported)
    learn = Recalibration(space, table, target.table_path, exported=frozenset(exported))
    return FinalistMeter(measure, learn, exported)


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
