"""Budgets beside the latency's: as people write them, as limits of a search, and whether a model keeps them.

Peak memory is a maximum over layers, so its budget rules candidates out one by one; all others are sums.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fbsearch.architecture import Architecture
from fbsearch.costs import (
    AdditiveCost,
    count_architecture,
    file_size_cost,
    mac_cost,
    parameter_cost,
    peak_memory_cost,
)
from fbsearch.errors import CheckpointError
from fbsearch.export import ModelFormat
from fbsearch.files import read_json
from fbsearch.latency.design import Choices
from fbsearch.pipeline.several_devices import OTHER_LATENCY
from fbsearch.search import Limit
from fbsearch.spaces import FactoredSpace

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


Source = Literal["counted", "read", "measured", "predicted"]


class BudgetSettings(BaseModel):
    """Budgets beside the latency's, all kept at once; None for none.

    Args:
        params: parameters, such as ``1.2M``.
        macs: multiply-adds of an image, such as ``300M``.
        peak_memory: activations alive at once, in fp32, such as ``4MB`` or ``4MiB``.
        file_size: of the exported model, such as ``5MB``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    params: Count | None = None
    macs: Count | None = None
    peak_memory: Bytes | None = None
    file_size: Bytes | None = None

    def limits(self, space: FactoredSpace, *, model_format: ModelFormat, precision: str) -> tuple[Limit, ...]:
        """The budgets as bounds on a space's costs.

        Args:
            space: to be searched.
            model_format: of the exported file.
            precision: of its weights.
        """
        limits = []
        if self.params is not None:
            limits.append(Limit(parameter_cost(space), self.params))
        if self.macs is not None:
            limits.append(Limit(mac_cost(space), self.macs))
        if self.peak_memory is not None:
            limits.append(Limit(peak_memory_cost(space), self.peak_memory))
        if self.file_size is not None:
            cost = file_size_cost(space, model_format=model_format, precision=precision)
            limits.append(Limit(cost, self.file_size))
        return tuple(limits)


def correct_file_size(limits: Sequence[Limit], exported: Mapping[Choices, int]) -> tuple[Limit, ...]:
    """The limits with the largest excess of an exported file over its estimate added to the size's cost.

    Args:
        limits: on anything.
        exported: bytes of the files of architectures.
    """
    return tuple(_corrected(limit, exported) for limit in limits)


def _corrected(limit: Limit, exported: Mapping[Choices, int]) -> Limit:
    cost = limit.cost
    if cost.name != _FILE_SIZE or not isinstance(cost, AdditiveCost):
        return limit
    excess = max((size - cost.of(choices) for choices, size in exported.items()), default=0.0)
    return replace(limit, cost=replace(cost, fixed=cost.fixed + max(excess, 0.0)))


@dataclass(frozen=True)
class BudgetCheck:
    """One budget of an exported model.

    Args:
        cost: name of the quantity, with its unit.
        bound: the most allowed.
        value: what the model takes.
        source: how that is known; ``predicted`` of another device that the model was not verified on.
        is_kept: whether the value is at most the bound.
    """

    cost: str
    bound: float
    value: float
    source: Source
    is_kept: bool


def check_budgets(
    search_result: Path,
    architecture: Architecture,
    model: Path,
    elsewhere_us: Sequence[float] = (),
) -> tuple[BudgetCheck, ...]:
    """The budgets beside the latency's that a run was searched for, and what its exported model takes.

    Args:
        search_result: ``search/result.json``, or where none is, as without a search.
        architecture: of the model.
        model: the exported file.
        elsewhere_us: what the model took on the other devices, in their order, where that was measured.

    Raises:
        CheckpointError: if the search's result is damaged.
    """
    if not search_result.exists():
        return ()
    try:
        result = read_json(search_result)
        winner = result["finalists"][result["chosen"]]
        bounds = {one["cost"]: float(one["bound"]) for one in result.get("budgets", [])}
        predicted = {name: float(winner["costs"][name]) for name in bounds}
    except (OSError, json.JSONDecodeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise CheckpointError(f"{search_result}: damaged ({error!r}); search again") from None
    counts = count_architecture(architecture)
    others = [name for name in bounds if name.startswith(OTHER_LATENCY)]
    measured_us = dict(zip(others, elsewhere_us, strict=False))
    checks = []
    for name, bound in bounds.items():
        source: Source = "predicted"
        value = predicted[name]
        if name == _FILE_SIZE:
            source, value = "read", float(model.stat().st_size)
        elif name in ("num_params", "num_macs", "peak_bytes"):
            source, value = "counted", float(getattr(counts, name))
        elif name in measured_us:
            source, value = "measured", measured_us[name]
        checks.append(BudgetCheck(name, bound, value, source, value <= bound))
    return tuple(checks)


def describe_broken(checks: tuple[BudgetCheck, ...]) -> str:
    """The budgets that are not kept, in words; empty where all are."""
    return " and ".join(_describe(check) for check in checks if not check.is_kept)


def _describe(check: BudgetCheck) -> str:
    if check.cost.startswith(OTHER_LATENCY):
        device = check.cost.removeprefix(OTHER_LATENCY)
        return f"latency on {device} is {check.value / 1000:.4g} of {check.bound / 1000:.4g} ms"
    return f"{check.cost} is {check.value:,.10g} of {check.bound:,.10g}"
