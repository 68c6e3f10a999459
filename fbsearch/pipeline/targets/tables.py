"""The latency table of a target: measured or taken over, and tied to whole networks."""

from __future__ import annotations

from pathlib import Path

from fbsearch.architecture import Operator
from fbsearch.errors import CalibrationError
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.designing import designed, first_operators, num_designed
from fbsearch.latency.measuring.runtime import RuntimeChoice
from fbsearch.latency.measuring.settings import ModelSource, Watch
from fbsearch.latency.profiling.calibrating import calibrate_table
from fbsearch.latency.profiling.growing import grow_for_networks
from fbsearch.latency.profiling.profiling import profile
from fbsearch.pipeline.targets.target import Target
from fbsearch.spaces import Space


def profile_target(target: Target, space: Space) -> None:
    """Measure the table, or take over the one that the recipe names."""
    source = target.settings.profile.table
    if source is not None:
        _take_over(target, space, Path(source))
        return
    table = profile_into(target, space, target.table_path)
    target.tell(
        "profile",
        f"{len(table.entries)} operators; converting {table.seconds.converting:.0f} s, "
        f"measuring {table.seconds.measuring:.0f} s",
    )


def _take_over(target: Target, space: Space, source: Path) -> None:
    table = LatencyTable.load(source)
    table.check_space(space)
    how = target.settings.device
    runner = target.device.runner(how.runtime, threads=how.threads, precision=how.precision)
    for difference in table.check_device(target.device.describe(), runner.description):
        target.notify(f"warning: {difference}")
    table.save(target.table_path)


def profile_into(target: Target, space: Space, path: Path) -> LatencyTable:
    """Measure the space into a table at ``path``."""
    how, measuring = target.settings.device, target.settings.profile
    return profile(
        space,
        target.device,
        out=path,
        operators=profiled_operators(target, space),
        how=RuntimeChoice(how.runtime, how.threads, how.precision),
        protocol=measuring.protocol,
        models=ModelSource(jobs=measuring.jobs),
        seed=target.recipe.seed,
        watch=Watch(target.progress),
    )


def profiled_operators(target: Target, space: Space) -> tuple[Operator, ...]:
    """What is measured before the search: of an open space, what its calibration takes, and some others."""
    recipe, least = target.recipe, target.settings.profile.networks
    return first_operators(space, num_networks=recipe.confirm.num_networks, seed=recipe.seed, least=least)


def calibrate_target(target: Target, space: Space) -> None:
    """Tie the table to whole networks, unless it comes with as many as are asked for.

    A poor calibration is worse than none, and no reason to end a run of hours: the finalists and the
    exported model are measured in any case.
    """
    wanted = num_designed(space, target.recipe.confirm.num_networks)
    if wanted == 0:
        return
    table = target.load_table()
    known = table.calibration_for(space, least=wanted)
    if known is None:
        try:
            known = _calibrated(target, table, space).calibration
        except CalibrationError as error:
            target.notify(f"warning: {target.stage('calibrate')}: the table stays as it was: {error}")
            table.with_warning(f"not calibrated: {error}").save(target.table_path)
            return
    assert known is not None
    target.tell("calibrate", known.summary)


def _calibrated(target: Target, table: LatencyTable, space: Space) -> LatencyTable:
    count, seed = target.recipe.confirm.num_networks, target.recipe.seed
    models, watch = ModelSource(jobs=target.settings.profile.jobs), Watch(target.progress)
    grown = grow_for_networks(
        target.table_path,
        space,
        lambda: designed(space, table.latency_us, count, seed),
        target.device,
        models=models,
        watch=watch,
    )
    return calibrate_table(
        grown,
        space,
        target.device,
        out=target.table_path,
        num_networks=count,
        protocol=target.settings.profile.protocol,
        models=models,
        seed=seed,
        watch=watch,
    )
