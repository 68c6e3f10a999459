"""What an architecture is worth: its validation accuracy after a short training."""

from __future__ import annotations

from collections.abc import Callable

from fbsearch.architecture import Architecture
from fbsearch.nn import Network
from fbsearch.search.problem import Problem
from fbsearch.search.trials.settings import TrialSettings
from fbsearch.train import ChildTask, Report, make_accelerator, seeded

Evaluator = Callable[[Architecture, Report], float]
"""An architecture to what it is worth, the higher the better; reports how far it has come."""


class ShortTraining:
    """Trains every architecture alike, from random weights, and validates it; the test set stays unseen.

    Args:
        problem: its images and seed.
        settings: of the training.
    """

    def __init__(self, problem: Problem, settings: TrialSettings) -> None:
        self._problem = problem
        self._settings = settings.training

    def __call__(self, architecture: Architecture, report: Report) -> float:
        """Validation accuracy, a share.

        Raises:
            TrainingError: if the loss stops being finite.
        """
        problem, settings = self._problem, self._settings
        with seeded(problem.seed):
            network = Network(architecture, drop_path=settings.drop_path, dropout=settings.dropout)
        task = ChildTask(
            network,
            problem.images,
            settings,
            augmentation=problem.augmentation,
            seed=problem.seed,
            accelerator=make_accelerator(settings.precision),
        )
        accuracy = 0.0
        for epoch in range(settings.epochs):
            accuracy = task.run_epoch(epoch, _within(report, epoch, settings.epochs))["val_accuracy"]
        return accuracy


def _within(report: Report, epoch: int, num_epochs: int) -> Report:
    """A report of batches within one epoch as one of batches within all of them."""
    return lambda done, total: report(epoch * total + done, num_epochs * total)
