"""What passes for a model of its network: refused by verify and called bad on the page by one rule."""

from __future__ import annotations

import pytest

from fbsearch.precision import PRECISIONS
from fbsearch.records import AgreementBounds, Verification
from fbsearch.records.agreement import MIN_TOP1_AGREEMENT


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_has_a_bound_of_its_own(precision):
    bounds = AgreementBounds.of(precision)
    least = MIN_TOP1_AGREEMENT[precision]
    assert bounds.allow_classes(least, 100) and not bounds.allow_classes(least - 0.01, 100)
    assert bounds.allow_difference(0.1) is (precision != "fp32")
    verification = {"measured_ms": 1.0, "precision": precision, "num_samples": 1000, "max_abs_diff": 1e-5}
    assert Verification.model_validate(verification | {"top1_agreement": least}).agrees
    assert not Verification.model_validate(verification | {"top1_agreement": least - 0.001}).agrees


def test_of_a_few_images_one_may_differ():
    bounds = AgreementBounds.of("fp16")
    assert bounds.allow_classes(0.75, 4) and not bounds.allow_classes(0.5, 4)


def test_what_was_asked_for_decides():
    fields = {"measured_ms": 1.0, "precision": "int8", "top1_agreement": 0.8, "num_samples": 100}
    asked = AgreementBounds.of("int8", min_top1_agreement=0.75)
    assert not Verification.model_validate(fields).agrees
    assert Verification.model_validate(fields | {"asked_agreement": asked}).agrees


def test_logits_of_fp32_count_on_the_device_too():
    fields = {"measured_ms": 1.0, "top1_agreement": 1.0, "max_abs_diff": 1e-5}
    assert Verification.model_validate(fields).agrees
    assert not Verification.model_validate(fields | {"device_max_abs_diff": 0.1}).agrees
    assert Verification.model_validate(fields | {"precision": "fp16", "device_max_abs_diff": 0.1}).agrees
