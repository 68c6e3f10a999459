"""The differentiable search as a method: split, supernet, epochs, finalists."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from fbsearch.costs import TabulatedCost, mac_cost, memory_access_cost, parameter_cost, tabulated
from fbsearch.records.paths import numbered
from fbsearch.search.limit import Limit
from fbsearch.search.method import Method, Session, register_method
from fbsearch.search.problem import Problem, limit_identity
from fbsearch.search.relaxed.dnas import DnasTask
from fbsearch.search.relaxed.loaders import divide, make_loader
from fbsearch.search.relaxed.objective import make_objective, most_used
from fbsearch.search.relaxed.searched_supernet import SearchedSupernet
from fbsearch.search.relaxed.settings import DnasSettings
from fbsearch.search.selection import check_feasible
from fbsearch.spaces import FactoredSpace, require_factored
from fbsearch.train import run_epochs

_PENALTIES = {"num_params": parameter_cost, "num_macs": mac_cost, "memory_access": memory_access_cost}


def search_supernet(problem: Problem, session: Session) -> SearchedSupernet:
    """Search a space of independent decisions for architectures that keep all budgets (FBNet's DNAS).

    Raises:
        SpaceError: if the decisions are not independent.
        BudgetError: if no architecture keeps the budgets, before anything runs.
        DataError: if the training set is too small to be divided.
        TrainingError: if the loss stops being finite.
    """
    settings, space, accelerator = problem.settings, problem.space, session.accelerator
    assert isinstance(settings, DnasSettings)  # as the method is registered
    space = require_factored(space, f"method {settings.method!r}")
    check_feasible(problem.limits)
    started = time.monotonic()
    data, seed = problem.images, problem.seed
    weight_images, architecture_images = divide(data.train, settings.architecture_fraction, seed)
    loader_of = partial(make_loader, data=data, settings=settings, seed=seed, accelerator=accelerator)
    task = DnasTask(
        space,
        watched=_watched(problem.limits),
        charge=most_used(problem.limits),
        penalties=_penalty_costs(space, settings),
        objective=make_objective(settings, problem.limits[0].bound),
        settings=settings,
        weight_loader=loader_of(weight_images, augmentation=problem.augmentation),
        architecture_loader=loader_of(architecture_images, augmentation=problem.augmentation),
        seed=seed,
        accelerator=accelerator,
    )
    run_epochs(
        task,
        folder=session.folder,
        title="search",
        resume=session.resume,
        identity=_identity(problem, accelerator.num_processes),
        accelerator=accelerator,
        progress=session.progress,
    )
    return SearchedSupernet(
        task=task,
        calibration_loader=loader_of(weight_images),
        val_loader=loader_of(data.val, training=False),
        seed=seed,
        seconds=time.monotonic() - started,
    )


def _watched(limits: Sequence[Limit]) -> dict[str, TabulatedCost]:
    """Names of metrics, and the costs whose expectations they tell: the latency on every target."""
    costs = [tabulated(limit.cost) for limit in limits if limit.target is not None]
    return {
        numbered(f"expected_{cost.name}", number, separator=" "): cost
        for number, cost in enumerate(costs, start=1)
    }


def _identity(problem: Problem, num_processes: int) -> dict[str, Any]:
    """What a checkpoint is of; the first limit, whose unit is the objective's, stands by itself."""
    unit, *others = problem.limits
    return {
        "space": problem.space.fingerprint,
        "budget_us": unit.bound,
        "latencies_us": [
            getattr(unit.cost, "fixed", 0.0),
            *np.nan_to_num(tabulated(unit.cost).coefficients).ravel().tolist(),
        ],
        "settings": problem.settings.model_dump(mode="json", exclude={"method"}),
        "data": problem.images.fingerprint,
        "num_processes": num_processes,
        "seed": problem.seed,
        "budgets": [limit_identity(limit) for limit in others],
    }


def _penalty_costs(space: FactoredSpace, settings: DnasSettings) -> Mapping[TabulatedCost, float]:
    return {_PENALTIES[name](space): eta for name, eta in settings.penalties.items() if eta}


def middle(bounds: Sequence[float]) -> float:
    """The geometric mean of the least and the greatest.

    The objective sees a latency as log(E[LAT] / B), by which both ends are equally far from it.
    """
    least, greatest = min(bounds), max(bounds)
    return least if least == greatest else math.sqrt(least * greatest)


register_method(Method("dnas", DnasSettings, search_supernet, middle))
