"""Search: a table and images in, an architecture within the budget out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from fbsearch.architecture import Architecture
from fbsearch.costs import AdditiveCost
from fbsearch.data import Augmentation, DataSplits
from fbsearch.errors import BudgetError
from fbsearch.files import write_json
from fbsearch.nn import save_weights
from fbsearch.pipeline.folder import RunPaths
from fbsearch.pipeline.recipe import ConfirmSettings
from fbsearch.search import Finalist, SearchedSupernet, SearchResult, SearchSettings, search_layerwise
from fbsearch.spaces import LayerwiseSpace
from fbsearch.train import make_accelerator

MeasureWhole = Callable[[Sequence[Architecture]], Sequence[float]]
"""Whole networks to their latencies in microseconds on the device."""


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

    Raises:
        BudgetError: if no architecture keeps the budget.
        DataError, TrainingError, CheckpointError: as the search raises them.
    """
    accelerator = make_accelerator(settings.precision)
    searched = search_layerwise(
        space,
        latency=latency,
        budget_us=budget_us,
        data=data,
        augmentation=augmentation,
        settings=settings,
        seed=seed,
        folder=paths.search,
        resume=resume,
        accelerator=accelerator,
        progress=progress,
    )
    result = None
    if accelerator.is_main_process:
        if measure is None or confirm is None:
            finalists = searched.finalists(budget_us)
            result = searched.result(finalists, chosen=searched.choose(finalists), budget_us=budget_us)
        else:
            result = choose_measured(searched, budget_us, measure=measure, settings=confirm)
        _write(searched, result, paths)
    accelerator.wait_for_everyone()
    return result


def choose_measured(
    searched: SearchedSupernet, budget_us: float, *, measure: MeasureWhole, settings: ConfirmSettings
) -> SearchResult:
    """Choose among the finalists whose latency, measured as whole networks, keeps the budget.

    Where none does, the bound on predicted latency is lowered by as much as the fastest of them is over,
    and others are proposed.

    Raises:
        BudgetError: if none is found; the message says what was measured.
    """
    allowed_us = budget_us * (1 - settings.margin)
    bound_us, known = budget_us, dict[tuple[int, ...], float]()
    for _ in range(settings.attempts):
        finalists = _with_measurements(searched, searched.finalists(bound_us), measure, known)
        keeping = [finalist for finalist in finalists if _measured(finalist) <= allowed_us]
        if keeping:
            chosen = finalists.index(keeping[searched.choose(keeping)])
            return searched.result(finalists, chosen=chosen, budget_us=budget_us)
        bound_us *= allowed_us / min(map(_measured, finalists))
    raise BudgetError(
        f"none of {len(known)} finalists keeps {budget_us / 1000:.4g} ms when measured as a whole "
        f"(the fastest took {min(known.values()) / 1000:.4g} ms): "
        "raise the budget, or measure on a quieter device"
    )


def _with_measurements(
    searched: SearchedSupernet,
    finalists: Sequence[Finalist],
    measure: MeasureWhole,
    known: dict[tuple[int, ...], float],
) -> list[Finalist]:
    new = [finalist.choices for finalist in finalists if finalist.choices not in known]
    if new:
        networks = [searched.task.space.decode(choices) for choices in new]
        known.update(zip(new, measure(networks), strict=True))
    return [replace(finalist, measured_us=known[finalist.choices]) for finalist in finalists]


def _measured(finalist: Finalist) -> float:
    assert finalist.measured_us is not None
    return finalist.measured_us


def _write(searched: SearchedSupernet, result: SearchResult, paths: RunPaths) -> None:
    winner = result.finalists[result.chosen]
    save_weights(searched.task.supernet.child(winner.choices), paths.inherited_weights)
    result.space.decode(winner.choices).save(paths.architecture)
    write_json(paths.search_result, result.to_dict())
