"""The search of a run: budgets on every target, a method, finalists measured on every target."""

from __future__ import annotations

from fbsearch.pipeline.choice.attempts import Attempt, load_attempts
from fbsearch.pipeline.choice.limits import check_distinct
from fbsearch.pipeline.choice.searching import MeasuredChoice, run_search
from fbsearch.pipeline.run.context import RunContext
from fbsearch.pipeline.stages.inputs import augmentation_of
from fbsearch.pipeline.targets.between import GrowingLimits
from fbsearch.pipeline.targets.search import describe_limit, limit_of, meter_of
from fbsearch.search import Limit, Problem, SearchResult, check_feasible
from fbsearch.search.between import Between
from fbsearch.spaces import code_names


def search_limits(context: RunContext) -> tuple[Limit, ...]:
    """All budgets of a run: of latency on every target, and others.

    Raises:
        TableMismatchError: if two targets' tables are of the same device and runtime.
    """
    check_distinct([target.load_table() for target in context.targets])
    latencies = [limit_of(target, context.space) for target in context.targets]
    models = [target.model_kind for target in context.targets]
    return (*latencies, *context.recipe.budgets.limits(context.space, models))


def search_stage(context: RunContext) -> None:
    """Search, measure the finalists, and write the chosen architecture.

    Raises:
        BudgetError: if no architecture keeps all budgets.
        FbsearchError: as the search and the measurements raise them.
    """
    recipe, limits = context.recipe, search_limits(context)
    _tell_limits(context, limits)
    check_feasible(limits)
    problem = Problem(
        space=context.space,
        limits=limits,
        data=context.data,
        augmentation=augmentation_of(recipe.data, context.data),
        settings=recipe.search,
        seed=recipe.seed,
        between=_between(context, limits),
    )
    result = run_search(
        problem,
        paths=context.paths,
        resume=True,
        progress=context.progress,
        measured=_measured_choice(context, limits),
        shared=context.shared_search,
    )
    if result is not None:
        _tell_choice(context, result)


def _between(context: RunContext, limits: tuple[Limit, ...]) -> Between | None:
    """In an open space: measures what leading candidates take; elsewhere all is measured beforehand."""
    if context.space.operators() is not None:
        return None
    shared = context.shared_search
    return GrowingLimits(context.targets, context.space, limits if shared is None else shared.limits)


def _measured_choice(context: RunContext, limits: tuple[Limit, ...]) -> MeasuredChoice:
    attempts, space = load_attempts(context.paths), context.space
    names = [limit.target for limit in limits if limit.target is not None]
    meters = {
        name: meter_of(target, space, attempts) for name, target in zip(names, context.targets, strict=True)
    }
    sizes = {attempt.architecture: _largest_file(attempt) for attempt in attempts}
    return MeasuredChoice(meters, context.recipe.confirm, sizes)


def _largest_file(attempt: Attempt) -> int:
    return max(one.file_size_bytes or 0 for one in attempt.verifications.values())


def _tell_limits(context: RunContext, limits: tuple[Limit, ...]) -> None:
    for limit in limits:
        if limit.target is not None:
            text = describe_limit(limit, limit.cost.label, is_alone=len(context.targets) == 1)
            context.notify(f"search: {text}")


def _tell_choice(context: RunContext, result: SearchResult) -> None:
    for warning in result.warnings:
        context.notify(f"warning: {warning}")
    winner, is_alone = result.winner, len(context.targets) == 1
    latencies = [
        f"{'' if is_alone else f'on {target} '}predicted {predicted_us / 1000:.4g} ms, "
        f"measured {winner.measured_us[target] / 1000:.4g} ms"
        for target, predicted_us in winner.predicted_us.items()
    ]
    words = " ".join(code_names(context.space, winner.code))
    context.notify(f"search: {words}; {'; '.join(latencies)}")
