"""The differentiable search as a method: split, supernet, epochs, finalists."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from accelerate import Accelerator

from fbsearch.architecture import Architecture
from fbsearch.costs import Cost, FloatArray, mac_cost, memory_access_cost, parameter_cost
from fbsearch.data import Augmentation, DataSplits, ImageSet, Loader
from fbsearch.errors import DataError
from fbsearch.nn import Network
from fbsearch.records.paths import numbered
from fbsearch.search.finalist import Finalist
from fbsearch.search.limit import Limit
from fbsearch.search.method import Method, Session, register_method
from fbsearch.search.problem import Problem, limit_identity
from fbsearch.search.relaxed.collapse import describe_collapse
from fbsearch.search.relaxed.dnas import DnasTask
from fbsearch.search.relaxed.objective import BudgetObjective, FbnetObjective, Objective, most_used
from fbsearch.search.relaxed.proposals import most_accurate, propose_finalists, rank_finalists
from fbsearch.search.relaxed.settings import DnasSettings
from fbsearch.search.result import SearchResult
from fbsearch.search.selection import check_feasible
from fbsearch.spaces import FactoredSpace, require_factored
from fbsearch.train import run_epochs

_PENALTIES = {"num_params": parameter_cost, "num_macs": mac_cost, "memory_access": memory_access_cost}


@dataclass(frozen=True)
class SearchedSupernet:
    """A supernet after its search: proposes and ranks architectures within budgets.

    Args:
        task: the supernet and the architecture distribution.
        calibration_loader: training images that recalibrate a child's norms.
        val_loader: images that rank.
        seed: of the sampled finalists.
        seconds: wall time of the search.
    """

    task: DnasTask
    calibration_loader: Loader
    val_loader: Loader
    seed: int
    seconds: float

    @property
    def space(self) -> FactoredSpace:
        """What was searched."""
        return self.task.space

    @property
    def log_probabilities(self) -> FloatArray:
        """``S x C``: log P, -inf where a slot has no such candidate."""
        log_p: FloatArray = self.task.distribution.log_probabilities().detach().cpu().double().numpy()
        return log_p

    def finalists(
        self, limits: Sequence[Limit], *, excluded: Collection[Architecture] = ()
    ) -> list[Finalist]:
        """The most probable architecture within the budgets and sampled ones, the most accurate first.

        Args:
            limits: the budgets.
            excluded: architectures that are out of the question.

        Raises:
            BudgetError: if no architecture keeps the budgets.
        """
        settings = self.task.settings
        return rank_finalists(
            self.task.supernet,
            propose_finalists(
                self.log_probabilities,
                limits,
                count=settings.num_finalists,
                rng=np.random.default_rng([self.seed, 1]),
                use=settings.budget_use,
                excluded=map(self.space.encode, excluded),
            ),
            log_probabilities=self.log_probabilities,
            limits=limits,
            calibration_loader=self.calibration_loader,
            calibration_batches=settings.calibration_batches,
            val_loader=self.val_loader,
            device=self.task.distribution.logits.device,
        )

    def choose(self, finalists: Sequence[Finalist]) -> int:
        """Index of the finalist to take, by validation accuracy and probability."""
        return most_accurate(finalists, num_images=len(self.val_loader.image_set))

    def result(self, limits: Sequence[Limit], finalists: Sequence[Finalist], *, chosen: int) -> SearchResult:
        """The search's result with the finalist at ``chosen`` as its winner.

        Args:
            limits: the budgets that the finalists were found for.
            finalists: best first.
            chosen: index of the winner.
        """
        probabilities = np.exp(self.log_probabilities)
        return SearchResult(
            space=self.space,
            method=self.task.settings.method,
            limits=tuple(limits),
            finalists=tuple(finalists),
            chosen=chosen,
            seconds=self.seconds,
            probabilities=probabilities,
            collapse=describe_collapse(self.space, probabilities),
        )

    def trained(self, architecture: Architecture) -> Network:
        """The child with the supernet's weights."""
        return self.task.supernet.child(self.space.encode(architecture))


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
    data, seed = problem.data, problem.seed
    weight_images, architecture_images = divide(data.train, settings.architecture_fraction, seed)
    make_loader = partial(_make_loader, data=data, settings=settings, seed=seed, accelerator=accelerator)
    task = DnasTask(
        space,
        watched=_watched(problem.limits),
        charge=most_used(problem.limits),
        penalties=_penalty_costs(space, settings),
        objective=make_objective(settings, problem.limits[0].bound),
        settings=settings,
        weight_loader=make_loader(weight_images, augmentation=problem.augmentation),
        architecture_loader=make_loader(architecture_images, augmentation=problem.augmentation),
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
        calibration_loader=make_loader(weight_images),
        val_loader=make_loader(data.val, training=False),
        seed=seed,
        seconds=time.monotonic() - started,
    )


def middle_limits(swept: Sequence[Sequence[Limit]]) -> tuple[Limit, ...]:
    """What the supernet of a sweep is driven to: of each limit, the middle of its bounds.

    Args:
        swept: the limits of each budget, alike but for their bounds.
    """
    return tuple(
        replace(limits[0], bound=middle([limit.bound for limit in limits]))
        for limits in zip(*swept, strict=True)
    )


def middle(bounds: Sequence[float]) -> float:
    """The geometric mean of the least and the greatest.

    The objective sees a latency as log(E[LAT] / B), by which both ends are equally far from it.
    """
    least, greatest = min(bounds), max(bounds)
    return least if least == greatest else math.sqrt(least * greatest)


def _watched(limits: Sequence[Limit]) -> dict[str, Cost]:
    """Names of metrics, and the costs whose expectations they tell: the latency on every target."""
    costs = [limit.cost for limit in limits if limit.target is not None]
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
            *np.nan_to_num(unit.cost.coefficients).ravel().tolist(),
        ],
        "settings": problem.settings.model_dump(mode="json", exclude={"method"}),
        "data": problem.data.fingerprint,
        "num_processes": num_processes,
        "seed": problem.seed,
        "budgets": [limit_identity(limit) for limit in others],
    }


def _make_loader(
    images: ImageSet,
    *,
    data: DataSplits,
    settings: DnasSettings,
    seed: int,
    accelerator: Accelerator,
    augmentation: Augmentation | None = None,
    training: bool = True,
) -> Loader:
    """Batches for this process: shuffled full ones for training, else all images in order."""
    return Loader(
        images,
        batch_size=max(1, settings.batch_size // accelerator.num_processes),
        mean=data.mean,
        std=data.std,
        augmentation=augmentation,
        seed=seed,
        shuffle=training,
        drop_last=training,
        rank=accelerator.process_index if training else 0,
        world_size=accelerator.num_processes if training else 1,
    )


def make_objective(settings: DnasSettings, budget_us: float) -> Objective:
    """The objective that the settings name."""
    if settings.objective == "fbnet":
        return FbnetObjective(alpha=settings.alpha, beta=settings.beta)
    return BudgetObjective(budget_us)


def divide(images: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """A training set divided at random, class by class: the larger share, and ``fraction`` of it.

    Raises:
        DataError: if a share would be empty.
    """
    labels = np.asarray(images.labels)
    rng = np.random.default_rng([seed, 2])
    second: list[int] = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        second.extend(members[: round(len(members) * fraction)].tolist())
    first = np.setdiff1d(np.arange(len(labels)), second)
    if not second or not len(first):
        raise DataError(
            f"{len(labels)} training images cannot be divided {1 - fraction:g} to {fraction:g} "
            "between weights and architecture: add images"
        )
    return images.subset(first), images.subset(np.sort(second))


def _penalty_costs(space: FactoredSpace, settings: DnasSettings) -> Mapping[Cost, float]:
    return {_PENALTIES[name](space): eta for name, eta in settings.penalties.items() if eta}


register_method(Method("dnas", DnasSettings, search_supernet, middle_limits))
