"""A run folder read from disk: every stage's file, or None where the stage has not run."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from fbsearch.architecture import Architecture
from fbsearch.errors import CheckpointError, UnreadableFileError
from fbsearch.files import parse_yaml, read_text
from fbsearch.latency import LatencyTable
from fbsearch.records import (
    MetricsRow,
    RunPaths,
    RunRecord,
    SearchRecord,
    TargetRecord,
    TrainingRecord,
    Verification,
    find_record,
    read_metrics,
)
from fbsearch.records.record import damaged
from fbsearch.records.search import target_name


@dataclass(frozen=True)
class TargetFiles:
    """What the stages left of one of a run's devices.

    Args:
        name: of the device, with runtime, threads and precision as far as they are known.
        budget_us: that the search was given.
        predicted_us: latency of the architecture that it chose.
        table: its latency table.
        verification: the exported model on it.
    """

    name: str
    budget_us: float | None
    predicted_us: float | None
    table: LatencyTable | None
    verification: Verification | None


@dataclass(frozen=True)
class RunFolder:
    """Everything a report is made of.

    Args:
        path: of the folder.
        record: who made it.
        recipe: as text.
        targets: the devices, at least one, by number.
        search: its result.
        search_metrics: a row per epoch.
        architecture: the chosen one.
        training: its result.
        training_metrics: a row per epoch.
        put_aside: exported models that broke a budget, each on all devices.
    """

    path: Path
    record: RunRecord | None
    recipe: str | None
    targets: tuple[TargetFiles, ...]
    search: SearchRecord | None
    search_metrics: tuple[MetricsRow, ...]
    architecture: Architecture | None
    training: TrainingRecord | None
    training_metrics: tuple[MetricsRow, ...]
    put_aside: tuple[tuple[Verification, ...], ...] = ()

    @property
    def paths(self) -> RunPaths:
        """Where the files lie."""
        return RunPaths(self.path)

    @property
    def labels(self) -> tuple[str, ...]:
        """What tells the targets apart: their names; empty of one that stands alone."""
        return tuple(target.name for target in self.targets) if len(self.targets) > 1 else ("",)

    @property
    def verifications(self) -> tuple[Verification, ...]:
        """Those that there are, by target."""
        return tuple(one.verification for one in self.targets if one.verification is not None)


def read_run(path: Path) -> RunFolder:
    """Read a run folder; stages that have not run are None.

    Raises:
        CheckpointError: if the folder is missing, holds no file of a run, or one is damaged.
        TableError, ArchitectureError: if the table or the architecture is damaged.
    """
    if not path.is_dir():
        raise CheckpointError(
            f"{path}: no such run folder; give the folder that 'fbsearch run … --out' wrote"
        )
    paths = RunPaths(path)
    search = find_record(paths.search_result, SearchRecord)
    run = RunFolder(
        path=path,
        record=find_record(paths.record, RunRecord),
        recipe=_read_recipe(paths.recipe),
        targets=_read_targets(paths, search),
        search=search,
        search_metrics=read_metrics(paths.search_metrics),
        architecture=_read_architecture(paths.architecture),
        training=find_record(paths.train_result, TrainingRecord),
        training_metrics=read_metrics(paths.train_metrics),
        put_aside=tuple(
            verifications
            for attempt in paths.each_attempt()
            if (verifications := _read_verifications(attempt))
        ),
    )
    if _is_empty(run):
        names = ", ".join(one.name for one in (paths.record, paths.table(), paths.verification()))
        raise CheckpointError(f"{path}: holds no file of a run ({names}, …)")
    return run


def _is_empty(run: RunFolder) -> bool:
    contents = [getattr(run, field.name) for field in fields(run) if field.name not in ("path", "targets")]
    contents += [content for target in run.targets for content in (target.table, target.verification)]
    return all(content is None or content == () for content in contents)


def _read_targets(paths: RunPaths, search: SearchRecord | None) -> tuple[TargetFiles, ...]:
    num_searched = len(search.targets) if search else 0
    count = max(1, num_searched, paths.num_tables(), *paths.verified_targets())
    return tuple(_read_target(paths, number, search) for number in range(1, count + 1))


def _read_target(paths: RunPaths, number: int, search: SearchRecord | None) -> TargetFiles:
    table = LatencyTable.load(paths.table(number)) if paths.table(number).exists() else None
    verification = find_record(paths.verification(number), Verification)
    is_searched = search is not None and number <= len(search.targets)
    searched = search.targets[number - 1] if search is not None and is_searched else None
    chosen = search.winner.latencies[number - 1] if search is not None and is_searched else None
    return TargetFiles(
        name=_name(searched, table, verification) or f"device {number}",
        budget_us=searched.budget_us if searched else None,
        predicted_us=chosen.predicted_us if chosen else None,
        table=table,
        verification=verification,
    )


def _name(
    searched: TargetRecord | None, table: LatencyTable | None, verification: Verification | None
) -> str | None:
    """As the search names the device, or else its table or its verification."""
    if searched is not None and searched.name:
        return searched.name
    if table is not None:
        return target_name(table.device, table.runtime)
    return None if verification is None else verification.where


def _read_verifications(paths: RunPaths) -> tuple[Verification, ...]:
    found = [find_record(paths.verification(number), Verification) for number in paths.verified_targets()]
    return tuple(one for one in found if one is not None)


def _read_architecture(path: Path) -> Architecture | None:
    return Architecture.load(path) if path.exists() else None


def _read_recipe(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        text = read_text(path)
        recipe = parse_yaml(text)
    except UnreadableFileError as error:
        raise damaged(path, str(error), "fbsearch run") from None
    if not isinstance(recipe, dict):
        raise damaged(path, "a recipe is a mapping", "fbsearch run")
    return text
