"""The images that a teacher sees."""

from __future__ import annotations

import pytest
import torch

from fbsearch.train.distillation.images import ImageFormat, reformat

GRAY = ImageFormat(8, (0.25,), (0.5,))


def test_the_same_format_is_left_alone() -> None:
    images = torch.randn(2, 1, 8, 8)
    assert reformat(images, GRAY, GRAY) is images


def test_a_pixel_keeps_its_value_in_another_size_colour_and_normalisation() -> None:
    pixel = 0.75
    images = torch.full((2, 1, 8, 8), (pixel - 0.25) / 0.5)
    wanted = ImageFormat(20, (0.1, 0.2, 0.3), (1.0, 2.0, 4.0))
    seen = reformat(images, GRAY, wanted)
    assert seen.shape == (2, 3, 20, 20)
    expected = [(pixel - mean) / std for mean, std in zip(wanted.mean, wanted.std, strict=True)]
    assert seen.mean((0, 2, 3)).tolist() == pytest.approx(expected, abs=1e-5)
    assert float(seen.std((0, 2, 3)).max()) < 1e-5


def test_colours_become_gray_as_pillow_does_it() -> None:
    colour = ImageFormat(4, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    red = torch.zeros(1, 3, 4, 4)
    red[:, 0] = 1.0
    assert reformat(red, colour, ImageFormat(4, (0.0,), (1.0,))).unique().tolist() == pytest.approx([0.299])


def test_shrinking_averages() -> None:
    """A checkerboard is gray from afar; without antialiasing it would be black, or white."""
    board = (torch.arange(16)[:, None] + torch.arange(16)[None]) % 2
    given, wanted = ImageFormat(16, (0.0,), (1.0,)), ImageFormat(4, (0.0,), (1.0,))
    seen = reformat(board.float()[None, None], given, wanted)
    assert float((seen - 0.5).abs().max()) < 0.05
