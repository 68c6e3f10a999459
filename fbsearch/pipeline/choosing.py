"""The choice among finalists by what they take on every device, measured as whole networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fbsearch.architecture import Architecture
from fbsearch.costs import AdditiveCost
from fbsearch.devices import Measurement
from fbsearch.errors import BudgetError
from fbsearch.latency.design import Choices
from fbsearch.pipeline.recipe import ConfirmSettings
from fbsearch.pipeline.several_devices import device_of
from fbsearch.search import Finalist, Limit, SearchedSupernet, SearchResult

MeasureWhole = Callable[[Sequence[Architecture]], Sequence[Measurement]]
"""Whole networks to their measurements on the device."""

Recalibrate = Callable[[Mapping[Choices, Measurement]], AdditiveCost]
"""Networks measured by a search to the latency as it looks with them."""


@dataclass(frozen=True)
class FinalistMeter:
    """A device that finalists are measured on.

    Args:
        measure: whole networks there.
        recalibrate: learns from the measured finalists; None where the latencies are plain sums.
        exported: what models took that were exported before and broke a budget, of this device or not.
    """

    measure: MeasureWhole
    recalibrate: Recalibrate | None = None
    exported: Mapping[Choices, Measurement] = field(default_factory=dict)


def choose_measured(
    searched: SearchedSupernet,
    budget_us: float,
    *,
    meters: Sequence[FinalistMeter],
    settings: ConfirmSettings,
) -> SearchResult:
    """Choose among the finalists whose latencies, measured as whole networks, keep all devices' budgets.

    Every measurement joins its device's calibration. Where no finalist keeps the budgets, those that are over
    one are put aside, and the next best by what is now known are proposed; plain sums, which learn nothing,
    are bounded by as much less as the fastest of the finalists was over.

    Args:
        searched: its first limits are the latency budgets of the devices from the second on.
        budget_us: on the first device's latency.
        meters: one for each device.
        settings: how many times to propose, and the margin.

    Raises:
        BudgetError: if none is found; the message says what was measured.
    """
    first, *other_meters = meters
    devices = [_MeasuredBudget(searched.latency, budget_us, first, margin=settings.margin)]
    for limit, meter in zip(searched.limits, other_meters, strict=False):
        assert isinstance(limit.cost, AdditiveCost)
        where = device_of(limit.cost.name)
        devices.append(_MeasuredBudget(limit.cost, limit.bound, meter, margin=settings.margin, where=where))
    # Exported, and over a budget then: whatever they take when measured again.
    refused = set(devices[0].known)
    for device in devices:
        device.learn(refused)
    for _ in range(settings.attempts):
        proposing = _within(searched, devices)
        over = refused.union(*(device.over for device in devices))
        try:
            proposed = proposing.finalists(devices[0].bound_us, excluded=over)
        except BudgetError:
            if not any(device.over for device in devices):
                raise
            break  # nothing is left within the bounds
        finalists = _measured_everywhere(proposing, proposed, devices)
        for device in devices:
            device.learn(finalist.choices for finalist in finalists)
        keeping = [
            finalist for finalist in finalists if all(device.keeps(finalist.choices) for device in devices)
        ]
        if keeping:
            chosen = finalists.index(keeping[proposing.choose(keeping)])
            result = _with_bounds(proposing, [device.budget_us for device in devices])
            return result.result(finalists, chosen=chosen, budget_us=budget_us)
    raise BudgetError(
        f"none of {len(devices[0].known)} finalists keeps "
        f"{' and '.join(device.summary for device in devices)} when measured as a whole: "
        "raise the budget or confirm.attempts, or measure on a quieter device"
    )


class _MeasuredBudget:
    """A device's latency budget in the course of a choice.

    Args:
        latency: as predicted, in microseconds.
        budget_us: as it was given.
        meter: of the device.
        margin: share of the budget that is kept free.
        where: " on " and the device, or nothing for the first.
    """

    def __init__(
        self, latency: AdditiveCost, budget_us: float, meter: FinalistMeter, *, margin: float, where: str = ""
    ) -> None:
        self.latency = latency
        self.budget_us = budget_us
        self.bound_us = budget_us
        self.known = dict(meter.exported)
        self._meter = meter
        self._allowed_us = budget_us * (1 - margin)
        self._where = where

    @property
    def over(self) -> set[Choices]:
        """The networks that take longer than is allowed."""
        return {choices for choices in self.known if not self.keeps(choices)}

    @property
    def summary(self) -> str:
        """What was measured, in words."""
        fastest_us = min(one.latency_us for one in self.known.values())
        return (
            f"{self.budget_us / 1000:.4g} ms{self._where} (the fastest took "
            f"{fastest_us / 1000:.4g} ms; confirm.margin asks for {self._allowed_us / 1000:.4g} ms)"
        )

    def keeps(self, choices: Choices) -> bool:
        """Whether a network, as measured, takes no longer than is allowed."""
        return self.known[choices].latency_us <= self._allowed_us

    def measure(self, searched: SearchedSupernet, finalists: Iterable[Finalist]) -> None:
        """Measure those that are new."""
        new = [finalist.choices for finalist in finalists if finalist.choices not in self.known]
        if new:
            networks = [searched.task.space.decode(choices) for choices in new]
            self.known.update(zip(new, self._meter.measure(networks), strict=True))

    def learn(self, measured: Iterable[Choices]) -> None:
        """Set the latency and the bound of the next finalists by what is now known.

        Args:
            measured: the networks that have become known.
        """
        latencies_us = [self.known[choices].latency_us for choices in measured]
        if not latencies_us:
            return
        if self._meter.recalibrate is not None:
            self.latency, self.bound_us = self._meter.recalibrate(self.known), self._allowed_us
        else:
            self.bound_us *= min(1.0, self._allowed_us / min(latencies_us))


def _within(searched: SearchedSupernet, devices: Sequence[_MeasuredBudget]) -> SearchedSupernet:
    """The search with the devices' latencies and bounds as they look now."""
    first, *others = devices
    limits = [Limit(device.latency, device.bound_us) for device in others]
    return replace(searched, latency=first.latency, limits=(*limits, *searched.limits[len(others) :]))


def _with_bounds(searched: SearchedSupernet, bounds_us: Sequence[float]) -> SearchedSupernet:
    """The search with the devices' budgets as its limits, in place of what finalists were bounded by."""
    others = bounds_us[1:]
    limits = [replace(limit, bound=bound) for limit, bound in zip(searched.limits, others, strict=False)]
    return replace(searched, limits=(*limits, *searched.limits[len(others) :]))


def _measured_everywhere(
    searched: SearchedSupernet, finalists: Sequence[Finalist], devices: Sequence[_MeasuredBudget]
) -> list[Finalist]:
    for device in devices:
        device.measure(searched, finalists)
    found = []
    for finalist in finalists:
        first_us, *others_us = (device.known[finalist.choices].latency_us for device in devices)
        found.append(replace(finalist, measured_us=first_us, measured_elsewhere_us=tuple(others_us)))
    return found
