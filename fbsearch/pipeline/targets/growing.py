"""Tables of an open space that grow while it is searched."""

from __future__ import annotations

from collections.abc import Sequence

from fbsearch.architecture import Architecture
from fbsearch.latency.measuring.settings import ModelSource, Watch
from fbsearch.latency.profiling.growing import grow_table
from fbsearch.pipeline.targets.target import Target


def grow_for(target: Target, architectures: Sequence[Architecture]) -> bool:
    """Measure what a target's table lacks of architectures; whether it lacked anything.

    Raises:
        FbsearchError: as :func:`fbsearch.latency.profiling.growing.grow_table` raises it.
    """
    operators = [operator for one in architectures for operator in one.operators()]
    missing = target.load_table().missing(operators)
    if not missing:
        return False
    target.tell(
        "search", f"measuring {len(missing)} operators of leading candidates on {target.settings.device.name}"
    )
    models, watch = ModelSource(jobs=target.settings.profile.jobs), Watch(progress=False)
    grow_table(target.table_path, operators, target.device, models=models, watch=watch)
    return True
