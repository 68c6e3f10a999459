"""How much of the latencies that a search goes by is estimated: for its records and its metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fbsearch.architecture import Architecture
from fbsearch.costs import EstimatingLatency
from fbsearch.records import EstimationRecord, LatencyRecord
from fbsearch.search.finalist import Finalist
from fbsearch.search.limit import Limit
from fbsearch.spaces import Code


def estimation_record(limit: Limit) -> EstimationRecord | None:
    """How well a target's missing operators are estimated; None where none is."""
    if not isinstance(limit.cost, EstimatingLatency):
        return None
    errors = limit.cost.estimator.errors
    return EstimationRecord(
        num_operators=errors.num_operators,
        median_error=errors.median,
        mean_error=errors.mean,
        nine_in_ten_error=errors.nine_in_ten,
    )


def latency_records(limits: Sequence[Limit], finalist: Finalist) -> tuple[LatencyRecord, ...]:
    """What a finalist takes on each target, and how much of the prediction is estimated."""
    costs = {limit.target: limit.cost for limit in limits if limit.target is not None}
    records = []
    for target, predicted_us in finalist.predicted_us.items():
        record = LatencyRecord(
            target=target, predicted_us=predicted_us, measured_us=finalist.measured_us.get(target)
        )
        cost = costs.get(target)
        if isinstance(cost, EstimatingLatency):
            estimate = cost.estimate(finalist.architecture)
            shares = {
                "estimated_share": estimate.estimated_share,
                "estimated_error": estimate.relative_error,
            }
            record = record.model_copy(update=shares)
        records.append(record)
    return tuple(records)


def estimated_share(limits: Iterable[Limit], codes: Sequence[Code]) -> float | None:
    """The mean share of the architectures' latencies that is estimated, over all targets; None without any.

    Args:
        limits: all budgets.
        codes: of the architectures.
    """
    costs = [limit.cost for limit in limits if isinstance(limit.cost, EstimatingLatency)]
    if not costs or not codes:
        return None
    shares = [cost.estimated_share(cost.space.decode(code)) for cost in costs for code in codes]
    return sum(shares) / len(shares)


def estimated_words(limit: Limit, architecture: Architecture) -> str:
    """How much of a latency on a target is estimated, for people; empty where the table holds all."""
    cost = limit.cost
    return cost.estimate(architecture).words if isinstance(cost, EstimatingLatency) else ""
