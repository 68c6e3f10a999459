"""What it costs to differ from a teacher, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.train.distillation.losses import feature_loss, soft_label_loss


def test_soft_labels_by_hand() -> None:
    """Two classes, T = 2: the teacher's shares are 3/4 and 1/4, the network's are equal."""
    taught = torch.tensor([[2 * math.log(3), 0.0]])
    logits = torch.zeros(1, 2)
    expected = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    assert float(soft_label_loss(logits, taught, temperature=2.0)) == pytest.approx(expected, rel=1e-5)


def test_soft_labels_are_a_mean_over_images() -> None:
    taught = torch.tensor([[2 * math.log(3), 0.0], [0.0, 0.0]])
    one = soft_label_loss(torch.zeros(1, 2), taught[:1], temperature=2.0)
    assert float(soft_label_loss(torch.zeros(2, 2), taught, temperature=2.0)) == pytest.approx(float(one) / 2)


@given(st.integers(0, 10**6), st.floats(0.5, 20), st.floats(-5, 5))
def test_soft_labels_ask_for_differences_alone(seed: int, temperature: float, shift: float) -> None:
    """Nothing is cheaper than the teacher's own scores, whatever is added to all of them."""
    generator = torch.Generator().manual_seed(seed)
    taught, logits = torch.randn((2, 3, 4), generator=generator).double()
    assert float(soft_label_loss(taught + shift, taught, temperature=temperature)) == pytest.approx(
        0, abs=1e-9
    )
    assert float(soft_label_loss(logits, taught, temperature=temperature)) > 0


def test_the_gradient_of_high_temperatures_is_that_of_matching_scores() -> None:
    """Hinton et al., 2015, eq. 4: for T large and scores of mean zero, (z - v) / N of each image."""
    logits = torch.tensor([[1.0, -1.0, 0.0]], dtype=torch.double, requires_grad=True)
    taught = torch.tensor([[0.5, 0.0, -0.5]], dtype=torch.double)
    soft_label_loss(logits, taught, temperature=1e4).backward()
    assert logits.grad is not None
    assert torch.allclose(logits.grad, (logits.detach() - taught) / 3, atol=1e-3)


def test_features_by_hand() -> None:
    taught = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    projected = torch.tensor([3.0, 2.0]).view(1, 2, 1, 1)
    assert float(feature_loss(projected, taught)) == pytest.approx(4 / 25)
    assert float(feature_loss(torch.zeros_like(taught), taught)) == pytest.approx(1.0)
    assert float(feature_loss(taught, taught)) == 0.0


def test_features_weigh_alike_with_a_teacher_of_any_scale() -> None:
    projected, taught = torch.randn((2, 3, 4, 2, 2), generator=torch.Generator().manual_seed(0))
    scaled = feature_loss(1000 * projected, 1000 * taught)
    assert float(scaled) == pytest.approx(float(feature_loss(projected, taught)), rel=1e-4)


def test_a_feature_map_of_zeros_is_no_division_by_zero() -> None:
    assert math.isfinite(float(feature_loss(torch.ones(1, 2, 1, 1), torch.zeros(1, 2, 1, 1))))
