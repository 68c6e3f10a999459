"""The training: its curves, and the test class by class."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.reports.classes import NUM_SHOWN, ClassRow, ConfusionMatrix, class_rows, confusion_matrix
from fbsearch.reports.curves import training_charts
from fbsearch.reports.run_folder import RunFolder
from fbsearch.reports.sections.figure import Figure, line_figure


@dataclass(frozen=True)
class TrainingSection:
    """What the template shows.

    Args:
        charts: as far as the training has come.
        num_classes: with a test image.
        classes: those with the lowest accuracy.
        confusion: None where it is unknown or too large.
    """

    charts: tuple[Figure, ...]
    num_classes: int
    classes: tuple[ClassRow, ...]
    confusion: ConfusionMatrix | None


def training_section(run: RunFolder) -> TrainingSection:
    """The training as far as it has come."""
    rows = class_rows(run.training.test) if run.training else ()
    return TrainingSection(
        charts=tuple(map(line_figure, training_charts(run.training_metrics))),
        num_classes=len(rows),
        classes=rows[:NUM_SHOWN],
        confusion=confusion_matrix(run.training.test) if run.training else None,
    )
