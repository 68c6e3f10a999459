"""The training: its curves, and the test class by class."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.records import TeacherRecord
from fbsearch.reports.classes import NUM_SHOWN, ClassRow, ConfusionMatrix, class_rows, confusion_matrix
from fbsearch.reports.curves import training_charts
from fbsearch.reports.formatting import format_accuracy, format_number
from fbsearch.reports.run_folder import RunFolder
from fbsearch.reports.sections.figure import Figure, line_figure

_SOURCES = {
    "own": "soft labels",
    "fit": "soft labels of a linear head on its features",
    "none": "no soft labels",
}


@dataclass(frozen=True)
class TrainingSection:
    """What the template shows.

    Args:
        charts: as far as the training has come.
        num_classes: with a test image.
        classes: those with the lowest accuracy.
        confusion: None where it is unknown or too large.
        teacher: who helped and how, in words; empty for nobody.
    """

    charts: tuple[Figure, ...]
    num_classes: int
    classes: tuple[ClassRow, ...]
    confusion: ConfusionMatrix | None
    teacher: str


def training_section(run: RunFolder) -> TrainingSection:
    """The training as far as it has come."""
    rows = class_rows(run.training.test) if run.training else ()
    return TrainingSection(
        charts=tuple(map(line_figure, training_charts(run.training_metrics))),
        num_classes=len(rows),
        classes=rows[:NUM_SHOWN],
        confusion=confusion_matrix(run.training.test) if run.training else None,
        teacher=_words_on(run.training.teacher) if run.training and run.training.teacher else "",
    )


def _words_on(teacher: TeacherRecord) -> str:
    """A sentence."""
    words = []
    if teacher.soft_weight:
        accuracy = format_accuracy(teacher.val_accuracy) if teacher.val_accuracy is not None else "unknown"
        words.append(
            f"{_SOURCES[teacher.head]} (validation accuracy {accuracy}) at temperature "
            f"{format_number(teacher.temperature)}, weight {format_number(teacher.soft_weight)}"
        )
    if teacher.feature_weight:
        words.append(f"its feature map, weight {format_number(teacher.feature_weight)}")
    return f"{' and '.join(words)}; images of {teacher.resolution} px"
