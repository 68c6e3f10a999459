"""Accuracy class by class, and the confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.records import TestMetrics
from fbsearch.reports.charts import STRENGTH_STEPS

MAX_CONFUSION_CLASSES = 20
NUM_SHOWN = 20
FAINTEST = 5
"""Colour level of a single image: one mistake among thousands must still be seen."""


@dataclass(frozen=True)
class ClassRow:
    """One class: its accuracy, and the class it is most often taken for with how many images."""

    name: str
    accuracy: float
    num_images: int | None
    confused_with: str | None
    num_confused: int


@dataclass(frozen=True)
class ConfusionCell:
    """Images of one class that were given another: count, colour level, whether it is right."""

    count: int
    level: int
    is_diagonal: bool
    title: str


@dataclass(frozen=True)
class ConfusionMatrix:
    """Rows are true classes, columns the predicted ones."""

    names: tuple[str, ...]
    rows: tuple[tuple[ConfusionCell, ...], ...]


def class_names(test: TestMetrics) -> tuple[str, ...]:
    """Names in the confusion matrix's order; numbers where they do not match it."""
    names = tuple(test.per_class)
    if test.confusion is not None and len(names) != len(test.confusion):
        return tuple(str(index) for index in range(len(test.confusion)))
    return names


def class_rows(test: TestMetrics) -> tuple[ClassRow, ...]:
    """The classes, the worst first; classes without a test image have no accuracy and are left out."""
    indices = {name: index for index, name in enumerate(class_names(test))}
    rows = [
        ClassRow(name, accuracy, *_confused(test, indices.get(name)))
        for name, accuracy in test.per_class.items()
        if accuracy is not None
    ]
    return tuple(sorted(rows, key=lambda row: row.accuracy))


def confusion_matrix(test: TestMetrics) -> ConfusionMatrix | None:
    """The matrix coloured by share of its row; None without one or with more than 20 classes."""
    if not test.confusion or len(test.confusion) > MAX_CONFUSION_CLASSES:
        return None
    names = class_names(test)
    rows = []
    for true, counts in enumerate(test.confusion):
        total = max(sum(counts), 1)
        rows.append(
            tuple(
                ConfusionCell(
                    count,
                    max(round(STRENGTH_STEPS * count / total), FAINTEST) if count else 0,
                    true == predicted,
                    f"{count} of {names[true]} taken for {names[predicted]}",
                )
                for predicted, count in enumerate(counts)
            )
        )
    return ConfusionMatrix(names, tuple(rows))


def _confused(test: TestMetrics, true: int | None) -> tuple[int | None, str | None, int]:
    """Number of images of class ``true``, the class it is most taken for, and how often."""
    if test.confusion is None or true is None:
        return None, None, 0
    row = test.confusion[true]
    wrong = [(count, -predicted) for predicted, count in enumerate(row) if predicted != true and count]
    if not wrong:
        return sum(row), None, 0
    count, negated = max(wrong)
    return sum(row), class_names(test)[-negated], count
