"""Search: a table and images in, an architecture within the budget out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fbsearch.architecture import Architecture
from fbsearch.costs import AdditiveCost
from fbsearch.data import Augmentation, DataSplits
from fbsearch.devices import Measurement
from fbsearch.errors import BudgetError
from fbsearch.files import write_json
from fbsearch.latency.design import Choices
from fbsearch.nn import save_weights
from fbsearch.pipeline.folder import RunPaths
from fbsearch.pipeline.recipe import ConfirmSettings
from fbsearch.search import (
    Finalist,
    Limit,
    SearchedSupernet,
    SearchResult,
    SearchSettings,
    search_layerwise,
)
from fbsearch.spaces import LayerwiseSpace
from fbsearch.train import make_accelerator

MeasureWhole = Callable[[Sequence[Architecture]], Sequence[Measurement]]
"""Whole networks to their measurements on the device."""

Recalibrate = Callable[[Mapping[Choices, Measurement]], AdditiveCost]
"""Networks measured by a search to the latency as it looks with them."""


@dataclass(frozen=True)
class SharedSupernet:
    """A supernet that several budgets choose from; the first of them that searches trains it.

    Args:
        folder: of its checkpoint and metrics.
        budget_us: that it is driven to.
    """

    folder: Path
    budget_us: float


def run_search(
    space: LayerwiseSpace,
    *,
    latency: AdditiveCost,
    budget_us: float,
    data: DataSplits,
    augmentation: Augmentation | None,
    settings: SearchSettings,
    seed: int,
    paths: RunPaths,
    resume: bool,
    progress: bool,
    measure: MeasureWhole | None = None,
    confirm: ConfirmSettings | None = None,
    recalibrate: Recalibrate | None = None,
    exported: Mapping[Choices, Measurement] | None = None,
    limits: Sequence[Limit] = (),
    supernet: SharedSupernet | None = None,
) -> SearchResult | None:
    """Search, choose, and write the result, the architecture and its inherited weights.

    With several processes all of them search, and the main one chooses; the others return None.

    Args:
        space: what may be chosen.
        latency: microseconds.
        budget_us: the budget.
        data: images of the space's input size.
        augmentation: of the training images.
        settings: the schedule.
        seed: of everything random.
        paths: where the files go.
        resume: go on from a checkpoint.
        progress: show progress.
        measure: measures finalists on the device; None chooses by predicted latency.
        confirm: how the measured latency decides; needed with ``measure``.
        recalibrate: learns from the measured finalists; None where the latencies are plain sums.
        exported: what models took that were exported before, and were over the budget.
        limits: budgets beside the latency's.
        supernet: to choose from; None searches one for this budget alone.

    Raises:
        BudgetError: if no architecture keeps the budgets.
        DataError, TrainingError, CheckpointError: as the search raises them.
    """
    accelerator = make_accelerator(settings.precision)
    searched = search_layerwise(
        space,
        latency=latency,
        budget_us=budget_us if supernet is None else supernet.budget_us,
        data=data,
        augmentation=augmentation,
        settings=settings,
        seed=seed,
        folder=paths.search if supernet is None else supernet.folder,
        resume=resume,
        accelerator=accelerator,
        progress=progress,
        limits=limits,
    )
    result = None
    if accelerator.is_main_process:
        if measure is None or confirm is None:
            finalists = searched.finalists(budget_us)
            result = searched.result(finalists, chosen=searched.choose(finalists), budget_us=budget_us)
        else:
            result = choose_measured(
                searched,
                budget_us,
                measure=measure,
                settings=confirm,
                recalibrate=recalibrate,
                exported=exported,
            )
        write_search(searched, result, paths)
    accelerator.wait_for_everyone()
    return result


def choose_measured(
    searched: SearchedSupernet,
    budget_us: float,
    *,
    measure: MeasureWhole,
    settings: ConfirmSettings,
    recalibrate: Recalibrate | None = None,
    exported: Mapping[Choices, Measurement] | None = None,
) -> SearchResult:
    """Choose among the finalists whose latency, measured as whole networks, keeps the budget.

    Every measurement joins the calibration. Where no finalist keeps the budget, those that are over it are
    put aside, and the next best by what is now known are proposed; plain sums, which learn nothing, are
    bounded by as much less as the fastest of the finalists was over.

    Raises:
        BudgetError: if none is found; the message says what was measured.
    """
    allowed_us = budget_us * (1 - settings.margin)
    bound_us, known = budget_us, dict(exported or {})
    if known:
        searched, bound_us = _learnt(searched, known, known, bound_us, allowed_us, recalibrate)
    refused = set(known)  # over the budget as exported, whatever they take when measured again
    for _ in range(settings.attempts):
        over = refused | {choices for choices, one in known.items() if one.latency_us > allowed_us}
        try:
            proposed = searched.finalists(bound_us, excluded=over)
        except BudgetError:
            if not known:
                raise
            break  # nothing is left within the bound
        finalists = _with_measurements(searched, proposed, measure, known)
        measured = {finalist.choices: known[finalist.choices] for finalist in finalists}
        learnt = _learnt(searched, known, measured, bound_us, allowed_us, recalibrate)
        keeping = [finalist for finalist in finalists if _measured(finalist) <= allowed_us]
        if keeping:
            chosen = finalists.index(keeping[searched.choose(keeping)])
            return searched.result(finalists, chosen=chosen, budget_us=budget_us)
        searched, bound_us = learnt
    fastest_us = min(one.latency_us for one in known.values())
    raise BudgetError(
        f"none of {len(known)} finalists keeps {budget_us / 1000:.4g} ms when measured as a whole "
        f"(the fastest took {fastest_us / 1000:.4g} ms; confirm.margin asks for {allowed_us / 1000:.4g} ms): "
        "raise the budget or confirm.attempts, or measure on a quieter device"
    )


def _learnt(
    searched: SearchedSupernet,
    known: Mapping[Choices, Measurement],
    over: Mapping[Choices, Measurement],
    bound_us: float,
    allowed_us: float,
    recalibrate: Recalibrate | None,
) -> tuple[SearchedSupernet, float]:
    """The search with what is now known of latencies, and the bound for its next finalists.

    Args:
        searched: as it was.
        known: every network measured so far.
        over: those among them that were just found over the budget.
        bound_us: of the finalists that they were.
        allowed_us: what they may take.
        recalibrate: None where the latencies are plain sums.
    """
    if recalibrate is not None:
        return replace(searched, latency=recalibrate(known)), allowed_us
    return searched, bound_us * min(1.0, allowed_us / min(one.latency_us for one in over.values()))


def _with_measurements(
    searched: SearchedSupernet,
    finalists: Sequence[Finalist],
    measure: MeasureWhole,
    known: dict[Choices, Measurement],
) -> list[Finalist]:
    new = [finalist.choices for finalist in finalists if finalist.choices not in known]
    if new:
        networks = [searched.task.space.decode(choices) for choices in new]
        known.update(zip(new, measure(networks), strict=True))
    return [replace(finalist, measured_us=known[finalist.choices].latency_us) for finalist in finalists]


def _measured(finalist: Finalist) -> float:
    assert finalist.measured_us is not None
    return finalist.measured_us


def write_search(searched: SearchedSupernet, result: SearchResult, paths: RunPaths) -> None:
    """Write the result, the chosen architecture and its inherited weights."""
    winner = result.finalists[result.chosen]
    save_weights(searched.task.supernet.child(winner.choices), paths.inherited_weights)
    result.space.decode(winner.choices).save(paths.architecture)
    write_json(paths.search_result, result.to_dict())
