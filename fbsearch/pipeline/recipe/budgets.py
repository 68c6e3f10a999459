"""Budgets beside the latency's: as people write them, as limits of a search, and whether a model keeps them.

Peak memory is a maximum over layers, so its budget rules candidates out one by one; all others are sums.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fbsearch.architecture import Architecture
from fbsearch.costs import AdditiveCost, ArchitectureCost, Quantity, count_in, count_quantity, file_size_in
from fbsearch.export import ModelFormat
from fbsearch.precision import Precision
from fbsearch.records import BudgetCheck, SearchRecord
from fbsearch.search import Limit
from fbsearch.spaces import Code, Space

_FILE_SIZE = "file_bytes"
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([a-z]*)", re.IGNORECASE)
_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}


def _reader(units: Mapping[str, int], example: str) -> Callable[[Any], Any]:
    """Texts such as ``1.2M`` to whole numbers; numbers as they are."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        match = _QUANTITY.fullmatch(value.strip())
        if match is None or match[2].lower() not in units:
            raise ValueError(f"{value!r} is no quantity such as {example}")
        number = float(match[1]) * units[match[2].lower()]
        if not math.isfinite(number):
            raise ValueError(f"{value!r} is too large")
        return round(number)

    return read


Count = Annotated[int, BeforeValidator(_reader(_COUNTS, "300k, 1.2M or 1G")), Field(ge=1)]
Bytes = Annotated[int, BeforeValidator(_reader(_BYTES, "300kB, 4MB or 4MiB")), Field(ge=1)]


ModelKind = tuple[ModelFormat, Precision]
"""Of a model file."""


class BudgetSettings(BaseModel):
    """Budgets beside the latency's, all kept at once; None for none.

    Args:
        params: parameters, such as ``1.2M``.
        macs: multiply-adds of an image, such as ``300M``.
        layers: blocks and convolutions, without identities, joins and the classifier.
        peak_memory: activations alive at once, in fp32, such as ``4MB`` or ``4MiB``.
        file_size: of every exported model that a target runs, such as ``5MB``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    params: Count | None = None
    macs: Count | None = None
    layers: Count | None = None
    peak_memory: Bytes | None = None
    file_size: Bytes | None = None

    def limits(self, space: Space, models: Iterable[ModelKind]) -> tuple[Limit, ...]:
        """The budgets as bounds on a space's costs.

        Args:
            space: to be searched.
            models: format and precision of the files that targets run; the largest has to keep the size.
        """
        limits = []
        if self.params is not None:
            limits.append(Limit(count_in(space, "num_params"), self.params))
        if self.macs is not None:
            limits.append(Limit(count_in(space, "num_macs"), self.macs))
        if self.layers is not None:
            limits.append(Limit(count_in(space, "num_layers"), self.layers))
        if self.peak_memory is not None:
            limits.append(Limit(count_in(space, "peak_bytes"), self.peak_memory))
        if self.file_size is not None:
            limits.append(Limit(file_size_in(space, models), self.file_size))
        return tuple(limits)


def correct_file_size(
    space: Space, limits: Sequence[Limit], exported: Mapping[Architecture, int]
) -> tuple[Limit, ...]:
    """The limits with the largest excess of an exported file over its estimate added to the size's cost.

    Args:
        space: of the architectures.
        limits: on anything.
        exported: bytes of the files of architectures.
    """
    sizes = {space.encode(architecture): size for architecture, size in exported.items()}
    return tuple(_corrected(limit, sizes) for limit in limits)


def _corrected(limit: Limit, exported: Mapping[Code, int]) -> Limit:
    cost = limit.cost
    if cost.name != _FILE_SIZE or not isinstance(cost, (AdditiveCost, ArchitectureCost)):
        return limit
    excess = max((size - cost.of(choices) for choices, size in exported.items()), default=0.0)
    return replace(limit, cost=cost.plus(max(excess, 0.0)))


def check_budgets(
    search: SearchRecord | None, architecture: Architecture, model: Path
) -> tuple[BudgetCheck, ...]:
    """The budgets beside the latencies' that a run was searched for, and what its exported model takes.

    Args:
        search: its result; None without a search.
        architecture: of the model.
        model: the exported file.
    """
    if search is None:
        return ()
    checks = []
    for budget in search.budgets:
        is_read = budget.cost == _FILE_SIZE
        value = float(model.stat().st_size) if is_read else _count(architecture, budget.cost)
        source: Literal["read", "counted"] = "read" if is_read else "counted"
        is_kept = value <= budget.bound
        checks.append(
            BudgetCheck(cost=budget.cost, bound=budget.bound, value=value, source=source, is_kept=is_kept)
        )
    return tuple(checks)


def _count(architecture: Architecture, cost: str) -> float:
    return count_quantity(architecture, cast(Quantity, cost))


def describe_broken(checks: tuple[BudgetCheck, ...]) -> str:
    """The budgets that are not kept, in words; empty where all are."""
    return " and ".join(
        f"{check.cost} is {check.value:,.10g} of {check.bound:,.10g}" for check in checks if not check.is_kept
    )
