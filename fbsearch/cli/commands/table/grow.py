"""``fbsearch table grow``: what a table lacks of some architectures, measured and added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fbsearch.cli.options import DryRun, Jobs, Json, Quiet, Seed, TableDevice, TableFile
from fbsearch.cli.printing import notify, print_json, show_progress
from fbsearch.errors import InvalidInputError

if TYPE_CHECKING:
    from fbsearch.architecture import Architecture
    from fbsearch.devices import DeviceDefinition
    from fbsearch.latency import LatencyTable

EXAMPLES = (
    "Examples: fbsearch table grow T.json a.json b.json; "
    "fbsearch table grow T.json --from-space wide.yaml --samples 20 --dry-run"
)


def grow(
    table: TableFile,
    architectures: Annotated[
        list[str] | None, typer.Argument(help="JSON files or published names, such as fbnet_a.")
    ] = None,
    from_space: Annotated[
        str | None, typer.Option("--from-space", help="Or random networks of this preset or YAML file.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="How many of them.")] = 10,
    device: TableDevice = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure the operators that a table lacks of some architectures, and add them to it.

    They are measured as the table's own were: on its device, with its runtime, threads, precision and
    protocol. The table is replaced when all is measured; interrupted, the same command goes on where it
    stopped.
    """
    from fbsearch.cli.opened_table import device_of
    from fbsearch.latency import LatencyTable
    from fbsearch.latency.measuring.settings import ModelSource, Watch
    from fbsearch.latency.profiling.growing import grow_table

    grown = LatencyTable.load(table)
    wanted = _architectures(architectures or (), from_space, samples, seed)
    operators = [operator for one in wanted for operator in one.operators()]
    added = grown.missing(operators)
    place = device_of(grown, device)
    if dry_run:
        notify(_estimate(grown, table, added, jobs, place.definition))
    else:
        models, watch = ModelSource(jobs=jobs), Watch(show_progress(quiet))
        grown = grow_table(table, operators, place, models=models, watch=watch)
    if as_json:
        print_json({"table": str(table), "num_entries": len(grown.entries), "added": added})
    elif not dry_run:
        notify(f"{table}: {len(added)} operators added; it holds {len(grown.entries)}")


def _architectures(
    sources: Sequence[str], from_space: str | None, num_samples: int, seed: int
) -> Iterator[Architecture]:
    """Those of the files, then the random ones.

    Raises:
        InvalidInputError: if there are none.
        ArchitectureError, SpaceError: if one cannot be read.
    """
    import numpy as np

    from fbsearch.spaces import load_architecture, load_space

    if not sources and from_space is None:
        raise InvalidInputError(
            "nothing to grow by: name architectures' files, or a space with --from-space and --samples"
        )
    yield from map(load_architecture, sources)
    if from_space is not None:
        space, rng = load_space(from_space), np.random.default_rng(seed)
        yield from (space.decode(space.sample(rng)) for _ in range(num_samples))


def _estimate(
    table: LatencyTable, path: Path, added: Sequence[str], jobs: int | None, definition: DeviceDefinition
) -> str:
    from fbsearch.architecture import Operator
    from fbsearch.export import ConversionCache
    from fbsearch.latency.profiling.estimate import estimate_profile_seconds

    estimate = estimate_profile_seconds(
        map(Operator.from_key, added),
        ConversionCache(),
        runtime=table.runtime.name,
        precision=table.runtime.precision,
        jobs=jobs,
        definition=definition,
    )
    return (
        f"would measure {estimate.num_models} operators that {path} lacks, converting "
        f"{estimate.num_missing} first, in about {estimate.seconds / 60:.1f} minutes"
    )
