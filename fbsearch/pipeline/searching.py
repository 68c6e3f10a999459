"""Search: a table and images in, an architecture within the budget out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fbsearch.costs import AdditiveCost
from fbsearch.data import Augmentation, DataSplits
from fbsearch.latency.design import Choices
from fbsearch.nn import save_weights
from fbsearch.pipeline.budgets import correct_file_size
from fbsearch.pipeline.choosing import FinalistMeter, choose_measured
from fbsearch.pipeline.recipe import ConfirmSettings
from fbsearch.records import RunPaths, write_record
from fbsearch.search import Limit, SearchedSupernet, SearchResult, SearchSettings, search_layerwise
from fbsearch.spaces import LayerwiseSpace
from fbsearch.train import make_accelerator


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
    meters: Sequence[FinalistMeter] = (),
    confirm: ConfirmSettings | None = None,
    limits: Sequence[Limit] = (),
    exported_bytes: Mapping[Choices, int] | None = None,
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
        meters: measure finalists on each device; none chooses by predicted latency.
        confirm: how the measured latencies decide; None without ``meters``.
        limits: budgets beside the latency's, those on other devices' latencies first.
        exported_bytes: sizes of models that were exported before, by which a limit on them is corrected.
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
        searched = replace(searched, limits=correct_file_size(searched.limits, exported_bytes or {}))
        if confirm is None:
            finalists = searched.finalists(budget_us)
            result = searched.result(finalists, chosen=searched.choose(finalists), budget_us=budget_us)
        else:
            result = choose_measured(searched, budget_us, meters=meters, settings=confirm)
        write_search(searched, result, paths)
    accelerator.wait_for_everyone()
    return result


def write_search(searched: SearchedSupernet, result: SearchResult, paths: RunPaths) -> None:
    """Write the result, the chosen architecture and its inherited weights."""
    winner = result.finalists[result.chosen]
    save_weights(searched.task.supernet.child(winner.choices), paths.inherited_weights)
    result.space.decode(winner.choices).save(paths.architecture)
    write_record(paths.search_result, result.record())
