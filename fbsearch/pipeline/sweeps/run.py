"""``fbsearch run`` over several latency budgets: a table per target, one search, a run per budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fbsearch.errors import BudgetError
from fbsearch.pipeline.choice.judging import Verifications, is_kept
from fbsearch.pipeline.choice.searching import SharedSearch
from fbsearch.pipeline.recipe import Recipe
from fbsearch.pipeline.run.plan import PlannedStage
from fbsearch.pipeline.run.run import Run
from fbsearch.pipeline.run.search_stage import search_limits
from fbsearch.pipeline.run.stages import is_of_table
from fbsearch.pipeline.stages.verifying import load_verifications
from fbsearch.pipeline.sweeps.budgets import SweepBudget, swept_limits
from fbsearch.pipeline.sweeps.pareto_files import TESTED, SweptArchitecture, write_pareto
from fbsearch.pipeline.targets.target import Notify
from fbsearch.records import RunPaths, SearchRecord, read_record
from fbsearch.search import check_feasible, find_method


class SweepRun:
    """A recipe in a folder, at several budgets; each has a whole run's folder in it.

    Args:
        recipe: every setting; the latency budgets that the sweep's replace are left aside.
        budgets: on the latency: per cent on every target, milliseconds on the first alone.
        out: the sweep's folder.
        progress: show progress.
        notify: told in one line what happens.
        keep: leave our folder on the phone.
    """

    def __init__(
        self,
        recipe: Recipe,
        budgets: Sequence[SweepBudget],
        out: Path,
        *,
        progress: bool,
        notify: Notify,
        keep: bool = False,
    ) -> None:
        self._recipe = recipe
        self._budgets = budgets
        self._progress = progress
        self._notify = notify
        self._keep = keep
        self._shared = Run(recipe, out, progress=progress, notify=notify, keep=keep)
        self._paths = self._shared.paths

    def plan(self) -> list[PlannedStage]:
        """What :meth:`execute` would do; reads the data and measures nothing."""
        stages = self._shared.plan()
        shared = [stage for stage in stages if is_of_table(stage.name)]
        return shared + [
            replace(
                stage,
                name=f"{stage.name} {budget.value:g}{budget.unit}",
                writes=tuple(f"{budget.name}/{name}" for name in stage.writes),
            )
            for budget in self._budgets
            for stage in stages
            if stage not in shared
        ]

    def execute(self, *, resume: bool) -> Mapping[str, Verifications]:
        """Measure the table, then search, train, export and verify for each budget; go on where one fails.

        Returns:
            The verifications by budget; none in all processes but the main one.

        Raises:
            CheckpointError: if the folder holds another run, or one and ``resume`` is false.
            BudgetError: if a budget is below what the space offers, before the search; or, after all budgets,
                if one is not kept as measured.
            FbsearchError: as the stages raise them.
        """
        with self._shared.claimed(resume=resume):
            return self._execute()

    def _execute(self) -> Mapping[str, Verifications]:
        self._shared.measure_table()
        shared = self._shared_search()
        broken: dict[str, str] = {}
        for budget in self._budgets:
            self._notify(f"{budget.name}:")
            try:
                self._run(budget, shared).execute(resume=True)
            except BudgetError as error:
                broken[budget.name] = str(error)
        if not self._shared.leads:
            return {}
        verifications = self._verifications()
        if verifications:
            for target in self._shared.context.targets:
                self._notify(f"figure: {self._write_front(target.number, verifications)}")
        if broken:
            raise BudgetError("; ".join(f"{name}: {error}" for name, error in broken.items()))
        return verifications

    def _shared_search(self) -> SharedSearch:
        """What all budgets choose from."""
        limits = search_limits(self._shared.context)
        swept = [swept_limits(limits, budget, self._given) for budget in self._budgets]
        for one in swept:
            check_feasible(one)
        merge = find_method(self._recipe.search.method).merge
        return SharedSearch(self._paths.search, merge(swept))

    @property
    def _given(self) -> list[float | str]:
        """The latency budgets of the recipe's targets."""
        return [target.budget_ms for target in self._recipe.targets]

    def _run(self, budget: SweepBudget, shared: SharedSearch) -> Run:
        swept = zip(self._recipe.targets, budget.settings(self._given), strict=True)
        targets = [
            target.model_copy(
                update={
                    "budget_ms": setting,
                    "profile": target.profile.model_copy(
                        update={"table": str(self._paths.table(number).resolve())}
                    ),
                }
            )
            for number, (target, setting) in enumerate(swept, start=1)
        ]
        return Run(
            self._recipe.with_targets(targets),
            self._paths.root / budget.name,
            progress=self._progress,
            notify=self._notify,
            keep=self._keep,
            shared_search=shared,
        )

    def _verifications(self) -> dict[str, Verifications]:
        """Of the budgets for which models were exported and measured on every target."""
        folders = {budget.name: RunPaths(self._paths.root / budget.name) for budget in self._budgets}
        numbers = [target.number for target in self._shared.context.targets]
        return {
            name: load_verifications(paths)
            for name, paths in folders.items()
            if paths.verified_targets() == numbers
        }

    def _write_front(self, number: int, verifications: Mapping[str, Verifications]) -> Path:
        """The architectures on a target; returns the figure's file."""
        rows = [self._architecture(number, name, one) for name, one in verifications.items()]
        return write_pareto(
            self._paths.root,
            rows,
            number=number,
            budgets_us=[row.budget_us for row in rows],
            worth=TESTED,
        )

    def _architecture(self, number: int, name: str, verifications: Verifications) -> SweptArchitecture:
        search = read_record(RunPaths(self._paths.root / name).search_result, SearchRecord)
        verification = verifications[number]
        return SweptArchitecture(
            folder=name,
            budget_us=search.targets[number - 1].budget_us or 0.0,
            names=search.winner.names,
            accuracy=verification.test_accuracy or 0.0,
            predicted_us=search.winner.latencies[number - 1].predicted_us,
            measured_us=1000 * verification.measured_ms,
            is_chosen=is_kept(verifications),
        )
