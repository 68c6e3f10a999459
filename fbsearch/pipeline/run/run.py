"""A whole run: targets, tables, search, training, export, verification, report; each stage a set of files."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from fbsearch.errors import FbsearchError
from fbsearch.pipeline.choice.attempts import finish_putting_aside, load_attempts, put_aside
from fbsearch.pipeline.choice.judging import Verifications, describe_excess, is_kept, judge
from fbsearch.pipeline.choice.searching import SharedSearch
from fbsearch.pipeline.recipe import Recipe, claimed_folder
from fbsearch.pipeline.run.context import RunContext
from fbsearch.pipeline.run.plan import PlannedStage, plan_run
from fbsearch.pipeline.run.stages import SHARED_STAGES, check_stages, make_stages, table_stages
from fbsearch.pipeline.stages.run_log import RunLog
from fbsearch.pipeline.stages.verifying import load_verifications
from fbsearch.pipeline.targets.target import Notify, open_targets
from fbsearch.records import RunPaths
from fbsearch.reports import write_report
from fbsearch.train import join_processes


class Run:
    """A recipe in a folder.

    Args:
        recipe: every setting.
        out: the run's folder.
        progress: show progress.
        notify: told in one line what happens.
        keep: leave our folder on the phone; no setting of the recipe, since it changes no result.
        shared_search: that the search chooses from; None for one of its own.
    """

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        *,
        progress: bool,
        notify: Notify,
        keep: bool = False,
        shared_search: SharedSearch | None = None,
    ) -> None:
        paths = RunPaths(out)
        targets = open_targets(recipe, paths, progress=progress, notify=notify, keep=keep)
        self.context = RunContext(targets[0].recipe, paths, targets, progress, notify, shared_search)
        self._stages = make_stages(self.context)

    def execute(self, *, resume: bool) -> Verifications:
        """Run every stage that has not ended yet.

        An exported model that breaks a budget as measured, on any target, is put aside, and the next best is
        trained and exported, until one keeps them all.

        Several processes (torchrun) search and train together; the main one does the rest.

        Returns:
            The verifications by the targets' numbers, which keep all budgets; none in the other processes.

        Raises:
            CheckpointError: if the folder holds another run, or one and ``resume`` is false, or is in use by
                another process.
            BudgetError: if no exported model, as measured, keeps the budgets; the report is written.
            InvalidInputError: if the recipe asks for a fine-tuning that cannot be.
            FbsearchError: as the stages raise them.
        """
        check_stages(self.context, join_processes().num_processes)
        with self.claimed(resume=resume):
            return self._execute()

    def claimed(self, *, resume: bool) -> AbstractContextManager[None]:
        """The folder is this run's alone within the block: the leading process holds it for all.

        Raises:
            CheckpointError: as :meth:`execute`.
        """
        return claimed_folder(self.paths, self.recipe, resume=resume) if self.leads else nullcontext()

    def _execute(self) -> Verifications:
        processes = join_processes()
        if self.leads:
            finish_putting_aside(self.paths, self._log())
        processes.wait_for_everyone()
        log = self._log()
        try:
            self._run_stages(self._stages, log)
            while self._makes_way():
                processes.wait_for_everyone()  # all have seen that it breaks a budget
                put_aside(self.paths, log, writes=processes.is_main_process)
                processes.wait_for_everyone()
                self._run_stages(self._stages, log)
        except FbsearchError:
            if self.leads:
                self._report_failure()
            raise
        return self._conclude() if self.leads else {}

    def _run_stages(self, names: Iterable[str], log: RunLog) -> None:
        processes = join_processes()
        for name in names:
            if log.is_done(name):
                self._notify(f"{name}: done before")
            elif processes.is_main_process or name in SHARED_STAGES:
                with log.stage(name, writes=processes.is_main_process):
                    self._stages[name]()
            processes.wait_for_everyone()

    def _makes_way(self) -> bool:
        """Whether the exported model breaks a budget, and another may still be tried."""
        verifications = load_verifications(self.paths)
        num_exported = len(load_attempts(self.paths)) + 1
        if is_kept(verifications) or num_exported >= self.recipe.confirm.exports:
            return False
        self._notify(
            f"verify: {describe_excess(verifications)}; it goes to {self.paths.attempts}, and "
            f"the next best takes its place: model {num_exported + 1} of {self.recipe.confirm.exports}"
        )
        return True

    def _report_failure(self) -> None:
        """Write the page of a run that failed: it shows the stage's error."""
        try:
            self._notify(f"report: {write_report(self.paths.root)}")
        except (FbsearchError, OSError) as error:
            self._notify(f"no report: {error}")  # the stage's own error follows, and says more

    def _conclude(self) -> Verifications:
        """Write the page, and judge the run by its verification."""
        report = write_report(self.paths.root)
        self._notify(f"report: {report}")
        verifications = load_verifications(self.paths)
        judge([*(attempt.verifications for attempt in load_attempts(self.paths)), verifications])
        return verifications

    def plan(self) -> list[PlannedStage]:
        """What :meth:`execute` would do; reads the data and measures nothing."""
        check_stages(self.context, num_processes=1)
        context = self.context
        return plan_run(context.targets, context.space, context.data, list(context.models))

    def measure_table(self) -> None:
        """Run the stages before the search alone, in a folder that is :meth:`claimed`.

        Raises:
            FbsearchError: as :meth:`execute`.
        """
        join_processes().wait_for_everyone()
        self._run_stages(table_stages(self.context), self._log())

    @property
    def paths(self) -> RunPaths:
        """The files of the run's folder."""
        return self.context.paths

    @property
    def leads(self) -> bool:
        """Whether this is the one of its processes that measures, exports and concludes."""
        is_main: bool = join_processes().is_main_process
        return is_main

    @property
    def recipe(self) -> Recipe:
        """Every setting, with what the devices' definitions say."""
        return self.context.recipe

    def _log(self) -> RunLog:
        return RunLog(self.paths, seed=self.recipe.seed)

    def _notify(self, line: str) -> None:
        self.context.notify(line)
