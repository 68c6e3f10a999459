"""A whole run: device, table, search, training, export, verification, report; each stage a set of files."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from accelerate import PartialState

from fbsearch.architecture import Architecture
from fbsearch.costs import latency_cost
from fbsearch.data import DataSplits
from fbsearch.devices import RUNTIME_FORMATS, find_device
from fbsearch.errors import BudgetError, CalibrationError, CheckpointError, FbsearchError
from fbsearch.files import parse_yaml, write_text
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibrating import calibrate_table
from fbsearch.latency.profiling import profile
from fbsearch.pipeline.attempts import finish_putting_aside, load_attempts, put_aside
from fbsearch.pipeline.budgets import describe_broken
from fbsearch.pipeline.device_settings import measured_on, on_device
from fbsearch.pipeline.exporting import run_export
from fbsearch.pipeline.folder import RunPaths, RunRecord, check_writable
from fbsearch.pipeline.inputs import InputRecord, augmentation_of, load_splits, space_for
from fbsearch.pipeline.plan import PlannedStage, plan_run
from fbsearch.pipeline.recipe import Recipe, parse_recipe
from fbsearch.pipeline.searching import SharedSupernet, run_search
from fbsearch.pipeline.training import run_training
from fbsearch.pipeline.verifying import Verification, load_verification, run_verification, save_verification
from fbsearch.pipeline.whole_networks import Recalibration, WholeNetworkMeter, designed_table
from fbsearch.reports import write_report
from fbsearch.search import Limit, check_feasible
from fbsearch.spaces import LayerwiseSpace, load_definition

Notify = Callable[[str], None]

_SHARED_STAGES = ("search", "train")


class Run:
    """A recipe in a folder.

    Args:
        recipe: every setting.
        out: the run's folder.
        progress: show progress.
        notify: told in one line what happens.
        keep: leave our folder on the phone; no setting of the recipe, since it changes no result.
        supernet: that the search chooses from; None for one of its own.
    """

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        *,
        progress: bool,
        notify: Notify,
        keep: bool = False,
        supernet: SharedSupernet | None = None,
    ) -> None:
        device = find_device(recipe.device.name, keep=keep)
        self.recipe = recipe.model_copy(
            update={
                "device": on_device(recipe.device, device.definition),
                "profile": measured_on(recipe.profile, device.definition),
            }
        )
        self._device = device
        self.paths = RunPaths(out)
        self._progress = progress
        self._notify = notify
        self._supernet = supernet

    def execute(self, *, resume: bool) -> Verification | None:
        """Run every stage that has not ended yet.

        An exported model that is over the budget as measured is put aside, and the next best is trained and
        exported, until one keeps it.

        Several processes (torchrun) search and train together; the main one does the rest.

        Returns:
            The verification, which keeps the budget; None in the other processes.

        Raises:
            CheckpointError: if the folder holds another run, or one and ``resume`` is false.
            BudgetError: if no exported model, as measured, keeps the budget; the report is written.
            FbsearchError: as the stages raise them.
        """
        processes = PartialState()
        if processes.is_main_process:
            self._prepare(resume)
            finish_putting_aside(self.paths, RunRecord(self.paths, seed=self.recipe.seed))
        processes.wait_for_everyone()
        record = RunRecord(self.paths, seed=self.recipe.seed)
        try:
            self._run_stages(record, processes)
            while self._makes_way():
                processes.wait_for_everyone()  # all have seen that it is over the budget
                put_aside(self.paths, record, writes=processes.is_main_process)
                processes.wait_for_everyone()
                self._run_stages(record, processes)
        except FbsearchError:
            if processes.is_main_process:
                self._report_failure()
            raise
        return self._conclude() if processes.is_main_process else None

    def _run_stages(self, record: RunRecord, processes: PartialState) -> None:
        for name, stage in self._stages().items():
            if record.is_done(name):
                self._notify(f"{name}: done before")
            elif processes.is_main_process or name in _SHARED_STAGES:
                with record.stage(name, writes=processes.is_main_process):
                    stage()
            processes.wait_for_everyone()

    def _makes_way(self) -> bool:
        """Whether the exported model is over the budget, and another may still be tried."""
        verification = load_verification(self.paths)
        num_exported = len(load_attempts(self.paths)) + 1
        if verification.keeps_budget or num_exported >= self.recipe.confirm.exports:
            return False
        self._notify(
            f"verify: over the budget by {_excess(verification):.1%}; it goes to {self.paths.attempts}, and "
            f"the next best takes its place: model {num_exported + 1} of {self.recipe.confirm.exports}"
        )
        return True

    def _report_failure(self) -> None:
        """Write the page of a run that failed: it shows the stage's error."""
        try:
            self._notify(f"report: {write_report(self.paths.root)}")
        except FbsearchError as error:
            self._notify(f"no report: {error}")  # the stage's own error follows, and says more

    def _conclude(self) -> Verification:
        """Write the page, and judge the run by its verification."""
        report = write_report(self.paths.root)
        self._notify(f"report: {report}")
        verification = load_verification(self.paths)
        if not verification.keeps_budget:
            tried = [*(attempt.verification for attempt in load_attempts(self.paths)), verification]
            models = (
                "the exported model takes" if len(tried) == 1 else f"all {len(tried)} exported models take"
            )
            raise BudgetError(
                f"{models} {', '.join(f'{one.measured_ms:.4g}' for one in tried)} ms, over the budget of "
                f"{verification.budget_ms:.4g} ms: raise confirm.margin, or quieten the device, and run again"
            )
        broken = describe_broken(verification.budgets)
        if broken:
            raise BudgetError(
                f"the exported model does not keep its budgets: {broken}; raise or tighten them"
            )
        return verification

    def plan(self) -> list[PlannedStage]:
        """What :meth:`execute` would do; reads the data and measures nothing."""
        return plan_run(self.recipe, self.space, self.data, self._formats, self._device.definition)

    def measure_table(self, *, resume: bool) -> None:
        """Run the stages before the search alone.

        Raises:
            CheckpointError, FbsearchError: as :meth:`execute`.
        """
        processes = PartialState()
        if processes.is_main_process:
            self._prepare(resume)
            record = RunRecord(self.paths, seed=self.recipe.seed)
            for name, stage in (("profile", self._profile), ("calibrate", self._calibrate)):
                if record.is_done(name):
                    self._notify(f"{name}: done before")
                    continue
                with record.stage(name):
                    stage()
        processes.wait_for_everyone()

    def profile_into(self, path: Path) -> LatencyTable:
        """Measure the space on the device into a table at ``path``."""
        recipe = self.recipe
        return profile(
            self.space,
            self._device,
            out=path,
            runtime=recipe.device.runtime,
            threads=recipe.device.threads,
            precision=recipe.device.precision,
            protocol=recipe.profile.protocol,
            jobs=recipe.profile.jobs,
            seed=recipe.seed,
            progress=self._progress,
        )

    @cached_property
    def data(self) -> DataSplits:
        """The images, at the space's input size."""
        recipe = self.recipe
        definition = load_definition(
            recipe.space.source, resolution=recipe.space.resolution, in_channels=recipe.space.in_channels
        )
        return load_splits(
            recipe.data,
            resolution=definition.resolution,
            in_channels=definition.in_channels,
            seed=recipe.seed,
        )

    @cached_property
    def space(self) -> LayerwiseSpace:
        """The space, with the data's number of classes."""
        fields = self.recipe.space.model_dump()
        return space_for(self.data.num_classes, fields.pop("source"), **fields)

    @property
    def _formats(self) -> tuple[str, ...]:
        """The formats to export: the device's own first."""
        return tuple(
            dict.fromkeys([RUNTIME_FORMATS[self.recipe.device.runtime], *self.recipe.export.formats])
        )

    def _stages(self) -> dict[str, Callable[[], None]]:
        return {
            "profile": self._profile,
            "calibrate": self._calibrate,
            "search": self._search,
            "train": self._train,
            "export": self._export,
            "verify": self._verify,
        }

    def _prepare(self, resume: bool) -> None:
        """Claim the folder, or make sure that it holds this very run."""
        check_writable(self.paths.root)
        if not self.paths.recipe.exists():
            write_text(self.paths.recipe, self.recipe.to_yaml())
            return
        if not resume:
            raise CheckpointError(
                f"{self.paths.root} already holds a run: add --resume, or choose another --out"
            )
        stored = read_recipe(self.paths.recipe)
        if stored != self.recipe:
            raise CheckpointError(
                f"{self.paths.root} holds a run with other settings ({_difference(stored, self.recipe)}): "
                "resume with the same settings, or choose another --out"
            )

    def _profile(self) -> None:
        recipe = self.recipe
        self.space  # noqa: B018  # loads data and space: what is wrong there is said before hours of measuring
        if recipe.profile.table is not None:
            table = LatencyTable.load(Path(recipe.profile.table))
            table.check_space(self.space)
            runner = self._device.runner(
                recipe.device.runtime, threads=recipe.device.threads, precision=recipe.device.precision
            )
            for difference in table.check_device(self._device.describe(), runner.description):
                self._notify(f"warning: {difference}")
            table.save(self.paths.table)
            return
        table = self.profile_into(self.paths.table)
        self._notify(
            f"profile: {len(table.entries)} operators; converting {table.seconds.converting:.0f} s, "
            f"measuring {table.seconds.measuring:.0f} s"
        )

    def _calibrate(self) -> None:
        """Tie the table to whole networks, unless it comes with as many as are asked for.

        A poor calibration is worse than none, and no reason to end a run of hours: the finalists and the
        exported model are measured in any case.
        """
        recipe = self.recipe
        wanted = min(recipe.confirm.num_networks, self.space.num_architectures)
        if wanted == 0:
            return
        table = LatencyTable.load(self.paths.table)
        known = table.calibration
        if known is None or not known.matches(self.space) or len(known.networks) < wanted:
            try:
                known = self._calibrated(table).calibration
            except CalibrationError as error:
                self._notify(f"warning: calibrate: the table stays as it was: {error}")
                table.with_warning(f"not calibrated: {error}").save(self.paths.table)
                return
        assert known is not None
        self._notify(f"calibrate: {known.summary}")

    def _calibrated(self, table: LatencyTable) -> LatencyTable:
        recipe = self.recipe
        return calibrate_table(
            table,
            self.space,
            self._device,
            out=self.paths.table,
            num_networks=recipe.confirm.num_networks,
            protocol=recipe.profile.protocol,
            jobs=recipe.profile.jobs,
            seed=recipe.seed,
            progress=self._progress,
        )

    def _search(self) -> None:
        recipe = self.recipe
        table = designed_table(LatencyTable.load(self.paths.table), self.space)
        latency = latency_cost(self.space, table, plain=recipe.confirm.num_networks == 0)
        calibration = None if recipe.confirm.num_networks == 0 else table.calibration
        is_calibrated = calibration is not None and calibration.matches(self.space)
        budget_us = recipe.budget_us(latency.range())
        limits = recipe.budgets.limits(
            self.space,
            model_format=RUNTIME_FORMATS[recipe.device.runtime],
            precision=recipe.device.precision,
        )
        check_feasible([Limit(latency, budget_us), *limits])
        least, greatest = (value / 1000 for value in latency.range())
        self._notify(
            f"search: budget {budget_us / 1000:.4g} ms; the space offers {least:.4g} to {greatest:.4g} ms "
            f"({latency.label})"
        )
        exported = {
            self.space.encode(attempt.architecture): attempt.measurement(recipe.profile.protocol)
            for attempt in load_attempts(self.paths)
        }
        recalibrate = Recalibration(self.space, table, self.paths.table, exported=frozenset(exported))
        result = run_search(
            self.space,
            latency=latency,
            budget_us=budget_us,
            data=self.data,
            augmentation=augmentation_of(recipe.data, self.data),
            settings=recipe.search,
            seed=recipe.seed,
            paths=self.paths,
            resume=True,
            progress=self._progress,
            limits=limits,
            supernet=self._supernet,
            measure=self._meter,
            confirm=recipe.confirm,
            recalibrate=recalibrate if is_calibrated else None,
            exported=exported,
        )
        if result is None:
            return
        if result.collapse:
            self._notify(f"warning: {result.collapse}")
        winner = result.finalists[result.chosen]
        self._notify(
            f"search: {' '.join(self.space.choice_names(winner.choices))}; "
            f"predicted {winner.predicted_us / 1000:.4g} ms, "
            f"measured {(winner.measured_us or 0) / 1000:.4g} ms"
        )

    def _train(self) -> None:
        recipe = self.recipe
        result = run_training(
            Architecture.load(self.paths.architecture),
            data=self.data,
            inputs=InputRecord.of(recipe.data, self.data, recipe.seed),
            augmentation=augmentation_of(recipe.data, self.data),
            settings=recipe.train,
            seed=recipe.seed,
            paths=self.paths,
            resume=True,
            progress=self._progress,
        )
        self._notify(f"train: test accuracy {result.test.top1:.2%}")

    def _export(self) -> None:
        for model_format in self._formats:
            precision = self.recipe.device.precision
            model = self.paths.model(model_format, precision)
            run_export(
                self.paths.root,
                model,
                precision=precision,
                calibration_images=self.recipe.export.calibration_images,
                data=self.data,
            )
            self._notify(f"export: {model} ({model.stat().st_size / 1024:.0f} KiB)")

    def _verify(self) -> None:
        verification = self._verification(self.recipe.seed)
        if not (verification.keeps_budget or verification.is_steady):
            self._notify("verify: over the budget, but the device was busy throughout: measured once more")
            verification = self._verification(self.recipe.seed + 1)
        save_verification(verification, self.paths)
        self._notify(
            f"verify: {verification.measured_ms:.4g} ms measured, {verification.predicted_ms:.4g} ms "
            f"predicted, budget {verification.budget_ms:.4g} ms; accuracy {verification.test_accuracy:.2%}"
        )

    def _verification(self, seed: int) -> Verification:
        recipe = self.recipe
        return run_verification(
            self.paths.model(self._formats[0], recipe.device.precision),
            paths=self.paths,
            device=self._device,
            device_settings=recipe.device,
            protocol=recipe.profile.protocol,
            settings=recipe.verify,
            data=self.data,
            budget_ms=None,
            seed=seed,
        )

    @cached_property
    def _meter(self) -> WholeNetworkMeter:
        recipe = self.recipe
        return WholeNetworkMeter(
            self._device,
            recipe.device,
            recipe.profile,
            seed=recipe.seed,
            progress=self._progress,
            launches=self.paths.launches,
            reference_us=lambda: LatencyTable.load(self.paths.table).sentinel.baseline_us,
        )


def read_recipe(path: Path) -> Recipe:
    """The resolved recipe of a run.

    Raises:
        CheckpointError: if it cannot be read.
        RecipeError: if it is damaged.
    """
    try:
        data = parse_yaml(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot read the run's recipe: {error}") from None
    return parse_recipe(data if isinstance(data, dict) else {}, source=str(path))


def _difference(stored: Recipe, given: Recipe) -> str:
    """The first settings that differ, by name."""
    old, new = stored.model_dump(mode="json"), given.model_dump(mode="json")
    names = [name for name in old if old[name] != new[name]]
    parts = []
    for name in names[:3]:
        if isinstance(old[name], dict) and isinstance(new[name], dict):
            inner = next(
                key for key in {**old[name], **new[name]} if old[name].get(key) != new[name].get(key)
            )
            parts.append(f"{name}.{inner} was {old[name].get(inner)!r}, is {new[name].get(inner)!r}")
        else:
            parts.append(f"{name} was {old[name]!r}, is {new[name]!r}")
    return "; ".join(parts)


def _excess(verification: Verification) -> float:
    """By what share of its budget a model is over it."""
    assert verification.budget_ms is not None
    return verification.measured_ms / verification.budget_ms - 1
