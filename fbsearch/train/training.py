"""Training one network, from its first weights to its metrics on the test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from accelerate import Accelerator

from fbsearch.data import Augmentation, DataSplits
from fbsearch.errors import InvalidInputError
from fbsearch.nn import Network
from fbsearch.records import TeacherRecord
from fbsearch.train.acceleration import make_accelerator
from fbsearch.train.child import ChildTask
from fbsearch.train.distillation.taught import TaughtTraining
from fbsearch.train.distillation.teaching import make_teaching
from fbsearch.train.loaders import evaluation_loader
from fbsearch.train.loop import run_epochs
from fbsearch.train.metrics import Metrics, evaluate
from fbsearch.train.settings import TrainSettings


@dataclass(frozen=True)
class TrainResult:
    """What a training came to.

    Args:
        test: metrics on the test images.
        history: a row of metrics per epoch.
        num_params: trainable parameters.
        seconds: spent training and validating, resumed parts included.
        teacher: that helped.
    """

    test: Metrics
    history: tuple[Mapping[str, float], ...]
    num_params: int
    seconds: float
    teacher: TeacherRecord | None = None


def train_network(
    network: Network,
    data: DataSplits,
    settings: TrainSettings,
    *,
    folder: Path,
    augmentation: Augmentation | None,
    seed: int = 0,
    resume: bool = False,
    accelerator: Accelerator | None = None,
    progress: bool = True,
) -> TrainResult:
    """Train a network, which holds the final weights afterwards and is in evaluation mode.

    Args:
        network: at its first weights, random or inherited.
        data: images of the network's size and classes.
        settings: how to train.
        folder: for the checkpoint, metrics and curves; see :func:`~fbsearch.train.loop.run_epochs`.
        augmentation: how training images vary, such as ``data.augmentation``; None: they do not.
        seed: of the order of the images and everything random.
        resume: go on where an earlier call with the same arguments was killed; on a CPU, with as many
            threads, the final weights are the same, bit for bit, as without the kill.
        accelerator: of ``settings.precision``; None: made here.
        progress: show progress.

    Raises:
        InvalidInputError: if the data do not fit the network, the settings the machine, or the teacher any.
        TrainingError: if the loss becomes infinite or NaN.
        CheckpointError: see :func:`~fbsearch.train.loop.run_epochs`.
    """
    _check_fit(network, data)
    accelerator = accelerator or make_accelerator(settings.precision)
    training = TaughtTraining(network, data, settings, augmentation, seed, accelerator, folder)
    teaching = make_teaching(training, progress=progress) if settings.distillation else None
    task = ChildTask(
        network,
        data,
        settings,
        augmentation=augmentation,
        seed=seed,
        accelerator=accelerator,
        objective=teaching.objective if teaching else None,
    )
    identity = {
        "settings": settings.identity,
        "architecture": network.architecture.to_dict(),
        "data": data.fingerprint,
        "augmentation": asdict(augmentation) if augmentation else None,
        "seed": seed,
        "processes": accelerator.num_processes,
        **({"teacher": teaching.fingerprint} if teaching else {}),
    }
    rows = run_epochs(
        task,
        folder=folder,
        title="train",
        resume=resume,
        identity=identity,
        accelerator=accelerator,
        progress=progress,
    )
    task.finish()
    test_loader = evaluation_loader(data.test, data, settings, accelerator=accelerator)
    return TrainResult(
        test=evaluate(network, test_loader, accelerator=accelerator),
        history=tuple(rows),
        num_params=sum(parameter.numel() for parameter in network.parameters()),
        seconds=task.seconds,
        teacher=teaching.record if teaching else None,
    )


def _check_fit(network: Network, data: DataSplits) -> None:
    architecture = network.architecture
    needed = (architecture.in_channels, architecture.resolution, architecture.num_classes)
    given = (data.in_channels, data.resolution, data.num_classes)
    if needed != given:
        raise InvalidInputError(
            f"architecture {architecture.name!r} is for {needed[0]} channels, {needed[1]} px and {needed[2]} "
            f"classes, the data have {given[0]}, {given[1]} and {given[2]}: load or design for the same"
        )
