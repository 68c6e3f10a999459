"""A whole run: device, table, search, training, export, verification, report; each stage a set of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property, partial
from pathlib import Path

from accelerate import PartialState

from fbsearch.architecture import Architecture
from fbsearch.data import DataSplits
from fbsearch.errors import CheckpointError, FbsearchError
from fbsearch.files import parse_yaml, write_text
from fbsearch.latency import LatencyTable
from fbsearch.pipeline.attempts import finish_putting_aside, load_attempts, put_aside
from fbsearch.pipeline.exporting import NEVER, run_export
from fbsearch.pipeline.finetuning import INTEGERS, check_finetuning
from fbsearch.pipeline.folder import RunLog, check_writable
from fbsearch.pipeline.inputs import augmentation_of, load_splits, space_for
from fbsearch.pipeline.judging import describe_excess, is_kept, judge
from fbsearch.pipeline.plan import PlannedStage, plan_run
from fbsearch.pipeline.recipe import Recipe, parse_recipe
from fbsearch.pipeline.run_device import Notify, RunDevice, run_devices
from fbsearch.pipeline.searching import SharedSupernet, run_search
from fbsearch.pipeline.several_devices import check_distinct
from fbsearch.pipeline.training import run_training
from fbsearch.pipeline.verifying import load_verifications
from fbsearch.records import InputRecord, RunPaths, Verification
from fbsearch.reports import write_report
from fbsearch.search import SearchResult, check_feasible
from fbsearch.spaces import LayerwiseSpace, load_definition

_SHARED_STAGES = ("search", "train")
_TABLE_STAGES = ("profile", "calibrate")


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
        self.paths = RunPaths(out)
        self._devices = run_devices(recipe, self.paths, progress=progress, notify=notify, keep=keep)
        self.recipe = self._devices[0].recipe
        self._progress = progress
        self._notify = notify
        self._supernet = supernet

    def execute(self, *, resume: bool) -> Verification | None:
        """Run every stage that has not ended yet.

        An exported model that breaks a budget as measured, on any device, is put aside, and the next best is
        trained and exported, until one keeps them all.

        Several processes (torchrun) search and train together; the main one does the rest.

        Returns:
            The verification on the first device, which keeps all budgets; None in the other processes.

        Raises:
            CheckpointError: if the folder holds another run, or one and ``resume`` is false.
            BudgetError: if no exported model, as measured, keeps the budgets; the report is written.
            InvalidInputError: if the recipe asks for a fine-tuning that cannot be.
            FbsearchError: as the stages raise them.
        """
        processes = PartialState()
        self._check_finetuning(processes.num_processes)
        if processes.is_main_process:
            self._prepare(resume)
            finish_putting_aside(self.paths, RunLog(self.paths, seed=self.recipe.seed))
        processes.wait_for_everyone()
        record = RunLog(self.paths, seed=self.recipe.seed)
        try:
            self._run_stages(self._stages(), record, processes)
            while self._makes_way():
                processes.wait_for_everyone()  # all have seen that it breaks a budget
                put_aside(self.paths, record, writes=processes.is_main_process)
                processes.wait_for_everyone()
                self._run_stages(self._stages(), record, processes)
        except FbsearchError:
            if processes.is_main_process:
                self._report_failure()
            raise
        return self._conclude() if processes.is_main_process else None

    def _run_stages(self, names: Iterable[str], record: RunLog, processes: PartialState) -> None:
        stages = self._stages()
        for name in names:
            if record.is_done(name):
                self._notify(f"{name}: done before")
            elif processes.is_main_process or name in _SHARED_STAGES:
                with record.stage(name, writes=processes.is_main_process):
                    stages[name]()
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
        except FbsearchError as error:
            self._notify(f"no report: {error}")  # the stage's own error follows, and says more

    def _conclude(self) -> Verification:
        """Write the page, and judge the run by its verification."""
        report = write_report(self.paths.root)
        self._notify(f"report: {report}")
        verifications = load_verifications(self.paths)
        judge([*(attempt.verifications for attempt in load_attempts(self.paths)), verifications])
        return verifications[1]

    def plan(self) -> list[PlannedStage]:
        """What :meth:`execute` would do; reads the data and measures nothing."""
        self._check_finetuning(num_processes=1)
        return plan_run(self._devices, self.space, self.data, self._models)

    def measure_table(self, *, resume: bool) -> None:
        """Run the stages before the search alone.

        Raises:
            CheckpointError, FbsearchError: as :meth:`execute`.
        """
        processes = PartialState()
        if processes.is_main_process:
            self._prepare(resume)
        processes.wait_for_everyone()
        self._run_stages(_TABLE_STAGES, RunLog(self.paths, seed=self.recipe.seed), processes)

    def profile_into(self, path: Path) -> LatencyTable:
        """Measure the space on the first device into a table at ``path``."""
        return self._devices[0].profile_into(self.space, path)

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
    def _models(self) -> tuple[Path, ...]:
        """The model files to export: those that the devices run first."""
        precision = self.recipe.device.precision
        asked_for = [self.paths.model(model_format, precision) for model_format in self.recipe.export.formats]
        return tuple(dict.fromkeys([*(device.model for device in self._devices), *asked_for]))

    def _stages(self) -> dict[str, Callable[[], None]]:
        """By their names; on the first device a model is verified last, since that tells of all budgets."""
        return {
            **{device.stage("profile"): partial(self._profile, device) for device in self._devices},
            **{device.stage("calibrate"): partial(self._calibrate, device) for device in self._devices},
            "search": self._search,
            "train": self._train,
            "export": self._export,
            **{device.stage("verify"): partial(self._verify, device) for device in self._devices[::-1]},
        }

    def _check_finetuning(self, num_processes: int) -> None:
        """Refuse a fine-tuning that no device's model can have, or that several processes would share."""
        precisions = [device.settings.device.precision for device in self._devices]
        integers = [precision for precision in precisions if precision in INTEGERS]
        check_finetuning(
            self.recipe.export.finetune, (integers or precisions)[0], num_processes=num_processes
        )

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

    def _profile(self, device: RunDevice) -> None:
        device.profile(self.space)

    def _calibrate(self, device: RunDevice) -> None:
        device.calibrate(self.space)

    def _search(self) -> None:
        recipe, space = self.recipe, self.space
        check_distinct([LatencyTable.load(device.table) for device in self._devices])
        latencies = [device.latency(space) for device in self._devices]
        own, *others = (
            device.limit(latency) for device, latency in zip(self._devices, latencies, strict=True)
        )
        counted = recipe.budgets.limits(
            space, model_format=self._devices[0].model_format, precision=recipe.device.precision
        )
        check_feasible([own, *others, *counted])
        attempts = load_attempts(self.paths)
        result = run_search(
            space,
            latency=latencies[0],
            budget_us=own.bound,
            data=self.data,
            augmentation=augmentation_of(recipe.data, self.data),
            settings=recipe.search,
            seed=recipe.seed,
            paths=self.paths,
            resume=True,
            progress=self._progress,
            limits=[*others, *counted],
            supernet=self._supernet,
            meters=[device.meter(space, attempts) for device in self._devices],
            confirm=recipe.confirm,
            exported_bytes={
                space.encode(one.architecture): one.verifications[1].file_size_bytes or 0 for one in attempts
            },
        )
        if result is not None:
            self._tell_choice(result)

    def _tell_choice(self, result: SearchResult) -> None:
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
        precisions = {device.model: device.settings.device.precision for device in self._devices}
        for model in self._models:
            precision = precisions.get(model, self.recipe.device.precision)
            run_export(
                self.paths.root,
                model,
                precision=precision,
                calibration_images=self.recipe.export.calibration_images,
                finetune=self.recipe.export.finetune if precision in INTEGERS else NEVER,
                data=self.data,
                progress=self._progress,
                notify=lambda line: self._notify(f"export: {line}"),
            )
            self._notify(f"export: {model} ({model.stat().st_size / 1024:.0f} KiB)")

    def _verify(self, device: RunDevice) -> None:
        device.verify(self.data)


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
