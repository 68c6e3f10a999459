"""``fbsearch table grow``: its options."""

from __future__ import annotations

from typing import Annotated

import typer

from fbsearch.cli.options import DryRun, Jobs, Json, Quiet, Seed, TableDevice, TableFile

GROW_EXAMPLES = (
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
    from fbsearch.cli.growing import GrowthRequest, grow_file

    wanted = GrowthRequest(tuple(architectures or ()), from_space, samples, seed)
    grow_file(table, wanted, device_name=device, jobs=jobs, dry_run=dry_run, quiet=quiet, as_json=as_json)
