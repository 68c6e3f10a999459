"""The differentiable search as a method: split, supernet, epochs, finalists."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from fbsearch.costs import AdditiveCost, TabulatedCost, tabulated
from fbsearch.records.paths import numbered
from fbsearch.search.limit import Limit
from fbsearch.search.method import Method, Session, register_method
from fbsearch.search.problem import Problem, limit_identity
from fbsearch.search.relaxed.dnas import DnasTask
from fbsearch.search.relaxed.loaders import divide, make_loader
from fbsearch.search.relaxed.objective import make_objective, most_used
from fbsearch.search.relaxed.searched_supernet import SearchedSupernet
from fbsearch.search.relaxed.settings import DnasSettings
from fbsearch.search.relaxed.terms import make_terms, measure_zen
from fbsearch.search.selection import check_feasible
from fbsearch.spaces import require_factored
from fbsearch.train import run_epochs

_OF_ZEN = {"zen_weight", "zen_repeats"}
"""Settings that a checkpoint is of only where the loss has the term."""


def search_supernet(problem: Problem, session: Session) -> SearchedSupernet:
    """Search a space of independent decisions for architectures that keep all budgets (FBNet's DNAS).

    Raises:
        SpaceError: if the decisions are not independent.
        BudgetError: if no architecture keeps the budgets, before anything runs.
        DataError: if the training set is too small to be divided.
        ProxyError: if Zen-Score shall count, and a candidate has none.
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
    zen = measure_zen(space, settings, seed, session)
    task = DnasTask(
        space,
        watched=_watched(problem.limits, zen),
        charge=most_used(problem.limits),
        terms=make_terms(space, settings, zen),
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


def _watched(limits: Sequence[Limit], zen: AdditiveCost | None) -> dict[str, TabulatedCost]:
    """Names of metrics, and the costs whose expectations they tell: latencies, and Zen-Score."""
    costs = [tabulated(limit.cost) for limit in limits if limit.target is not None]
    latencies: dict[str, TabulatedCost] = {
        numbered(f"expected_{cost.name}", number, separator=" "): cost
        for number, cost in enumerate(costs, start=1)
    }
    return latencies if zen is None else {**latencies, "expected_zen": zen}


def _identity(problem: Problem, num_processes: int) -> dict[str, Any]:
    """What a checkpoint is of; the first limit, whose unit is the objective's, stands by itself."""
    unit, *others = problem.limits
    settings = problem.settings
    assert isinstance(settings, DnasSettings)
    unused = set() if settings.zen_weight else _OF_ZEN
    return {
        "space": problem.space.fingerprint,
        "budget_us": unit.bound,
        "latencies_us": [
            getattr(unit.cost, "fixed", 0.0),
            *np.nan_to_num(tabulated(unit.cost).coefficients).ravel().tolist(),
        ],
        "settings": settings.model_dump(mode="json", exclude={"method", *unused}),
        "data": problem.images.fingerprint,
        "num_processes": num_processes,
        "seed": problem.seed,
        "budgets": [limit_identity(limit) for limit in others],
    }


def middle(bounds: Sequence[float]) -> float:
    """The geometric mean of the least and the greatest.

    The objective sees a latency as log(E[LAT] / B), by which both ends are equally far from it.
    """
    least, greatest = min(bounds), max(bounds)
    return least if least == greatest else math.sqrt(least * greatest)


register_method(Method("dnas", DnasSettings, search_supernet, middle))
