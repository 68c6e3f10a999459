"""``fbsearch table grow``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fbsearch.architecture import Architecture, Operator
from fbsearch.cli.printing import notify, print_json, show_progress
from fbsearch.devices import find_device
from fbsearch.errors import InvalidInputError
from fbsearch.export import ConversionCache
from fbsearch.latency import LatencyTable
from fbsearch.latency.measuring.settings import ModelSource, Watch
from fbsearch.latency.profiling.estimate import estimate_profile_seconds
from fbsearch.latency.profiling.growing import grow_table
from fbsearch.spaces import load_architecture, load_space


@dataclass(frozen=True)
class GrowthRequest:
    """Whose operators a table shall hold.

    Args:
        sources: architectures: files, or published names.
        space: of random ones; None for no others.
        num_samples: how many of them.
        seed: of their choice.
    """

    sources: tuple[str, ...]
    space: str | None
    num_samples: int
    seed: int

    def architectures(self) -> Iterator[Architecture]:
        """Those of the files, then the random ones.

        Raises:
            InvalidInputError: if there are none.
            ArchitectureError, SpaceError: if one cannot be read.
        """
        if not self.sources and self.space is None:
            raise InvalidInputError(
                "nothing to grow by: name architectures' files, or a space with --from-space and --samples"
            )
        yield from map(load_architecture, self.sources)
        if self.space is not None:
            space, rng = load_space(self.space), np.random.default_rng(self.seed)
            yield from (space.decode(space.sample(rng)) for _ in range(self.num_samples))


def grow_file(
    path: Path,
    wanted: GrowthRequest,
    *,
    device_name: str | None,
    jobs: int | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Add to a table what it lacks, or tell what that would be."""
    table = LatencyTable.load(path)
    operators = [operator for one in wanted.architectures() for operator in one.operators()]
    added = table.missing(operators)
    device = find_device(device_name or table.device.name)
    if dry_run:
        estimate = estimate_profile_seconds(
            map(Operator.from_key, added),
            ConversionCache(),
            runtime=table.runtime.name,
            precision=table.runtime.precision,
            jobs=jobs,
            definition=device.definition,
        )
        notify(
            f"would measure {estimate.num_models} operators that {path} lacks, converting "
            f"{estimate.num_missing} first, in about {estimate.seconds / 60:.1f} minutes"
        )
    else:
        table = grow_table(
            path, operators, device, models=ModelSource(jobs=jobs), watch=Watch(show_progress(quiet))
        )
    if as_json:
        print_json({"table": str(path), "num_entries": len(table.entries), "added": added})
    elif not dry_run:
        notify(f"{path}: {len(added)} operators added; it holds {len(table.entries)}")
