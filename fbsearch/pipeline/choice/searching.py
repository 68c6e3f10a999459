"""Search: tables and images in, an architecture within the budgets out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fbsearch.architecture import Architecture
from fbsearch.nn import save_weights
from fbsearch.pipeline.choice.choosing import FinalistMeter, choose_measured
from fbsearch.pipeline.recipe import ConfirmSettings, correct_file_size
from fbsearch.records import RunPaths, write_record
from fbsearch.search import Limit, Problem, Searched, SearchResult, Session, find_method
from fbsearch.train import make_accelerator


@dataclass(frozen=True)
class SharedSearch:
    """A search that several budgets choose from; the first of them runs it.

    Args:
        folder: of its checkpoint and metrics.
        limits: that it is given.
    """

    folder: Path
    limits: tuple[Limit, ...]


@dataclass(frozen=True)
class MeasuredChoice:
    """How finalists are chosen by what they take on the targets.

    Args:
        meters: of the targets, by their names.
        settings: how the measured latencies decide.
        exported_bytes: sizes of models that were exported before, by which a limit on them is corrected.
    """

    meters: Mapping[str, FinalistMeter]
    settings: ConfirmSettings
    exported_bytes: Mapping[Architecture, int] = field(default_factory=dict)


def run_search(
    problem: Problem,
    *,
    paths: RunPaths,
    resume: bool,
    progress: bool,
    measured: MeasuredChoice | None = None,
    shared: SharedSearch | None = None,
) -> SearchResult | None:
    """Search, choose, and write the result, the architecture and its inherited weights.

    With several processes all of them search, and the main one chooses; the others return None.

    Args:
        problem: what to search.
        paths: where the files go.
        resume: go on from a checkpoint.
        progress: show progress.
        measured: choose by latencies measured on the targets; None chooses by the predicted ones.
        shared: the search to choose from; None searches for these budgets alone.

    Raises:
        BudgetError: if no architecture keeps the budgets.
        DataError, TrainingError, CheckpointError: as the search raises them.
    """
    accelerator = make_accelerator(problem.settings.precision)
    searched = find_method(problem.settings.method).search(
        problem if shared is None else replace(problem, limits=shared.limits),
        Session(paths.search if shared is None else shared.folder, resume, accelerator, progress),
    )
    result = None
    if accelerator.is_main_process:
        result = _choose(searched, problem.limits, measured)
        write_search(searched, result, paths)
    accelerator.wait_for_everyone()
    return result


def _choose(searched: Searched, limits: tuple[Limit, ...], measured: MeasuredChoice | None) -> SearchResult:
    if measured is None:
        return choose_predicted(searched, limits)
    corrected = correct_file_size(searched.space, limits, measured.exported_bytes)
    return choose_measured(searched, corrected, meters=measured.meters, settings=measured.settings)


def choose_predicted(searched: Searched, limits: tuple[Limit, ...]) -> SearchResult:
    """The choice by predicted latencies.

    Raises:
        BudgetError: if no architecture keeps the budgets.
    """
    finalists = searched.finalists(limits)
    return searched.result(limits, finalists, chosen=searched.choose(finalists))


def write_search(searched: Searched, result: SearchResult, paths: RunPaths) -> None:
    """Write the result, the chosen architecture and, where the search has some, its inherited weights."""
    network = searched.trained(result.winner.architecture)
    if network is not None:
        save_weights(network, paths.inherited_weights)
    result.winner.architecture.save(paths.architecture)
    write_record(paths.search_result, result.record())
