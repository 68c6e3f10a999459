"""``fbsearch run`` over several latency budgets: one table and one supernet, a run for each budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from accelerate import PartialState

from fbsearch.costs import latency_cost
from fbsearch.devices import RUNTIME_FORMATS
from fbsearch.errors import BudgetError, InvalidInputError
from fbsearch.latency import LatencyTable
from fbsearch.pipeline.pareto_files import SweptArchitecture, write_pareto
from fbsearch.pipeline.plan import PlannedStage
from fbsearch.pipeline.recipe import Recipe
from fbsearch.pipeline.run import Run
from fbsearch.pipeline.run_device import Notify
from fbsearch.pipeline.searching import SharedSupernet
from fbsearch.pipeline.sweeping import SweepBudget, middle_us
from fbsearch.pipeline.verifying import load_verifications
from fbsearch.pipeline.whole_networks import designed_table
from fbsearch.records import RunPaths, SearchRecord, Verification, read_record
from fbsearch.search import Limit, check_feasible


class SweepRun:
    """A recipe in a folder, at several budgets; each has a whole run's folder in it.

    Args:
        recipe: every setting; its own ``budget_ms`` is left aside.
        budgets: on the latency.
        out: the sweep's folder.
        progress: show progress.
        notify: told in one line what happens.
        keep: leave our folder on the phone.

    Raises:
        InvalidInputError: if the recipe names several devices.
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
        if recipe.other_devices:
            raise InvalidInputError(
                "--budgets sweeps one device's latency, and the recipe has other_devices: leave them out "
                "(--set other_devices=[]), or run one budget at a time"
            )
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
        shared = [stage for stage in stages if stage.name in ("profile", "calibrate")]
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

    def execute(self, *, resume: bool) -> Mapping[str, Verification]:
        """Measure the table, then search, train, export and verify for each budget; go on where one fails.

        Returns:
            The verifications by budget; none in all processes but the main one.

        Raises:
            CheckpointError: if the folder holds another run, or one and ``resume`` is false.
            BudgetError: if a budget is below what the space offers, before the search; or, after all budgets,
                if one is not kept as measured.
            FbsearchError: as the stages raise them.
        """
        self._shared.measure_table(resume=resume)
        budgets_us, supernet = self._supernet()
        broken: dict[str, str] = {}
        for budget in self._budgets:
            self._notify(f"{budget.name}:")
            try:
                self._run(budget, supernet).execute(resume=True)
            except BudgetError as error:
                broken[budget.name] = str(error)
        if not PartialState().is_main_process:
            return {}
        verifications = self._verifications()
        if verifications:
            rows = [self._architecture(name, one) for name, one in verifications.items()]
            write_pareto(
                self._paths.root, rows, budgets_us=budgets_us, accuracy="test, of the exported models"
            )
            self._notify(f"figure: {self._paths.root / 'pareto.svg'}")
        if broken:
            raise BudgetError("; ".join(f"{name}: {error}" for name, error in broken.items()))
        return verifications

    def _supernet(self) -> tuple[list[float], SharedSupernet]:
        """The budgets in microseconds, and what all of them choose from."""
        recipe, space = self._shared.recipe, self._shared.space
        table = designed_table(LatencyTable.load(self._paths.table()), space)
        latency = latency_cost(space, table, plain=recipe.confirm.num_networks == 0)
        limits = recipe.budgets.limits(
            space,
            model_format=RUNTIME_FORMATS[recipe.device.runtime],
            precision=recipe.device.precision,
        )
        budgets_us = [budget.us(latency.range()) for budget in self._budgets]
        for budget_us in budgets_us:
            check_feasible([Limit(latency, budget_us), *limits])
        return budgets_us, SharedSupernet(self._paths.search, middle_us(budgets_us))

    def _run(self, budget: SweepBudget, supernet: SharedSupernet) -> Run:
        recipe = self._recipe
        table = self._paths.table().resolve()
        recipe = recipe.model_copy(
            update={
                "budget_ms": budget.setting,
                "profile": recipe.profile.model_copy(update={"table": str(table)}),
            }
        )
        return Run(
            recipe,
            self._paths.root / budget.name,
            progress=self._progress,
            notify=self._notify,
            keep=self._keep,
            supernet=supernet,
        )

    def _verifications(self) -> dict[str, Verification]:
        """Of the budgets for which a model was exported and measured."""
        folders = {budget.name: RunPaths(self._paths.root / budget.name) for budget in self._budgets}
        return {
            name: load_verifications(paths)[1]
            for name, paths in folders.items()
            if paths.verification().exists()
        }

    def _architecture(self, name: str, verification: Verification) -> SweptArchitecture:
        search = read_record(RunPaths(self._paths.root / name).search_result, SearchRecord)
        [target], winner = search.targets, search.winner
        [latency] = winner.latencies
        return SweptArchitecture(
            folder=name,
            budget_us=target.budget_us or 0.0,
            names=winner.names,
            accuracy=verification.test_accuracy or 0.0,
            predicted_us=latency.predicted_us,
            measured_us=1000 * verification.measured_ms,
            is_chosen=bool(verification.keeps_budget),
        )
