"""How exactly an exported model has to agree with its network: one rule, for refusing and for judging."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fbsearch.precision import Precision
from fbsearch.records.record import Positive, Record, Share

MIN_TOP1_AGREEMENT: Mapping[Precision, float] = {
    "fp32": 0.99,
    "fp16": 0.99,
    "dynamic_int8": 0.9,
    "int8": 0.9,
}
"""Below this share of equal top-1 classes a model counts as another one than its network."""

MAX_ABS_DIFF = 1e-3
"""Beyond this difference of logits an fp32 model counts as another one than its network."""


class AgreementBounds(Record):
    """What a model is held to.

    Args:
        min_top1_agreement: least share of images on which the model has to choose the network's class.
        max_abs_diff: largest difference allowed between their logits; None where numbers differ by design,
            as they do in every precision but fp32.
    """

    min_top1_agreement: Share
    max_abs_diff: Positive | None = None

    @staticmethod
    def of(
        precision: Precision, *, min_top1_agreement: float | None = None, max_abs_diff: float = MAX_ABS_DIFF
    ) -> AgreementBounds:
        """The bounds of a precision.

        Args:
            precision: of the model.
            min_top1_agreement: in place of the precision's own.
            max_abs_diff: of an fp32 model.
        """
        least = MIN_TOP1_AGREEMENT[precision] if min_top1_agreement is None else min_top1_agreement
        return AgreementBounds(
            min_top1_agreement=least, max_abs_diff=max_abs_diff if precision == "fp32" else None
        )

    def allow_classes(self, top1_agreement: float, num_samples: int) -> bool:
        """Whether classes agree on enough of the images; of a few, one may differ in any case."""
        num_others = round((1 - top1_agreement) * num_samples)
        # Rounded first: (1 - 0.99) * 100 is a little more than 1.
        return num_others <= math.ceil(round((1 - self.min_top1_agreement) * num_samples, 6))

    def allow_difference(self, max_abs_diff: float) -> bool:
        """Whether logits differ by no more than is allowed."""
        return self.max_abs_diff is None or max_abs_diff <= self.max_abs_diff
