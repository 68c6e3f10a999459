"""``train/result.json``: the trained network on the test images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, model_validator

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


class TrainingRecord(FileRecord):
    """The file."""

    made_by: ClassVar[str] = "fbsearch train"

    test: TestMetrics
    num_params: Count | None = None
    num_macs: Count | None = None
    seconds: Positive | None = None
