"""``train/result.json``: the trained network on the test images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, FiniteFloat, model_validator

from fbsearch.records.record import Count, FileRecord, Positive, Record, Share


class TestMetrics(Record):
    """What the trained network does on the test images; see :class:`fbsearch.train.Metrics`.

    Args:
        per_class: recalls by class name; None for a class without images.
        confusion: counts, true class by row, predicted class by column.
    """

    __test__ = False  # the name means the metrics, not a test class

    top1: Share
    top5: Share | None = None
    loss: Positive | None = None
    macro_f1: Share | None = None
    ece: Share | None = None
    per_class: Mapping[str, Share | None] = Field(default_factory=dict)
    confusion: tuple[tuple[Count, ...], ...] | None = None
    num_samples: Count | None = None

    @model_validator(mode="after")
    def _square(self) -> TestMetrics:
        if self.confusion is not None and any(len(row) != len(self.confusion) for row in self.confusion):
            raise ValueError("confusion must be a square matrix")
        return self


HeadKind = Literal["own", "fit", "none"]
"""Where a teacher's soft labels come from: its own outputs, a fitted head, nowhere."""


class TeacherRecord(Record):
    """Who taught a training, and how much that counted.

    Args:
        name: as a person named it.
        resolution: of its images in pixels.
        mean: of its images, per channel.
        std: likewise.
        head: where its soft labels come from.
        val_accuracy: of its soft labels; None where there are none.
        temperature: of the soft labels.
        soft_weight: share of them in the loss of the labels.
        feature_weight: of its feature map in the loss.
        keeps_outputs: whether its outputs were kept, or computed for every batch.
    """

    name: str
    resolution: Count
    mean: tuple[FiniteFloat, ...]
    std: tuple[Positive, ...]
    head: HeadKind
    val_accuracy: Share | None = None
    temperature: Positive
    soft_weight: Share
    feature_weight: Positive
    keeps_outputs: bool = False


class TrainingRecord(FileRecord):
    """The file."""

    made_by: ClassVar[str] = "fbsearch train"

    test: TestMetrics
    num_params: Count | None = None
    num_macs: Count | None = None
    seconds: Positive | None = None
    teacher: TeacherRecord | None = None
