"""Batches and augmentation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fbsearch.data import Augmentation, DataSplits, ImageSet, Loader, ProcessShare, load_data
from fbsearch.data.augmentation import crop_box
from fbsearch.data.images import MemoryPixels
from fbsearch.errors import DataError
from tests.data.image_folders import folder_files, write_folder


def image_set(count: int, *, size: int = 8, channels: int = 3) -> ImageSet:
    """Random images; labels are their positions."""
    pixels = np.random.default_rng(0).integers(1, 256, (count, size, size, channels), dtype=np.uint8)
    return ImageSet(MemoryPixels(pixels, size), np.arange(count))


def loader(images: ImageSet, **options: Any) -> Loader:
    """A loader that shows pixel values as they are, between 0 and 1."""
    channels = images.in_channels
    return Loader(images, **{"batch_size": 4, "mean": (0.0,) * channels, "std": (1.0,) * channels, **options})


VARIED = Augmentation(padding=2, flip=True)


@pytest.fixture(scope="module")
def digits() -> DataSplits:
    return load_data("digits", limit=100)


def test_batches_are_normalised_and_channels_last(digits: DataSplits) -> None:
    batches = Loader(digits.train, batch_size=100, mean=digits.mean, std=digits.std)
    [(images, labels)] = batches.epoch(0)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels.dtype == torch.int64
    expected = (digits.train.images.double() / 255 - digits.mean[0]) / digits.std[0]
    assert torch.allclose(images.double(), expected, atol=1e-5)
    assert labels.tolist() == digits.train.labels.tolist()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_epoch_repeats_bit_for_bit(workers: int) -> None:
    images = image_set(22)
    first = list(loader(images, augmentation=VARIED, shuffle=True, seed=5).epoch(3))
    again = list(loader(images, augmentation=VARIED, shuffle=True, seed=5, num_workers=workers).epoch(3))
    assert len(first) == len(again) == 6
    for (a, b), (c, d) in zip(first, again, strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, d)


def test_epochs_and_seeds_differ() -> None:
    images = image_set(64)
    batches = {
        (seed, epoch): next(iter(loader(images, augmentation=VARIED, shuffle=True, seed=seed).epoch(epoch)))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    orders = {tuple(labels.tolist()) for _, labels in batches.values()}
    assert len(orders) == 4


@pytest.mark.parametrize("count", [22, 24, 25])
@pytest.mark.parametrize("drop_last", [False, True])
def test_processes_share_what_one_would_see(count: int, drop_last: bool) -> None:
    images = image_set(count)
    options = {"augmentation": VARIED, "shuffle": True, "drop_last": drop_last}
    whole = list(loader(images, batch_size=8, **options).epoch(1))
    shares = [loader(images, batch_size=4, share=ProcessShare(rank, 2), **options) for rank in range(2)]
    parts = [list(share.epoch(1)) for share in shares]
    assert [len(share) for share in shares] == [len(part) for part in parts]
    for index, (pixels, labels) in enumerate(whole):
        together = [part[index] for part in parts if index < len(part)]
        assert torch.equal(torch.cat([part[0] for part in together]), pixels)
        assert torch.equal(torch.cat([part[1] for part in together]), labels)


def test_drop_last_leaves_out_what_does_not_fill_a_batch() -> None:
    assert len(loader(image_set(22), drop_last=True)) == 5
    assert len(list(loader(image_set(22), drop_last=True).epoch(0))) == 5
    assert sum(len(labels) for _, labels in loader(image_set(22)).epoch(0)) == 22


def test_padding_shifts_by_at_most_the_padding_in_every_direction() -> None:
    images = image_set(600)
    [(shifted, labels)] = loader(images, batch_size=600, augmentation=Augmentation(padding=1)).epoch(0)
    padded = torch.nn.functional.pad(images.images, (1, 1, 1, 1)).float() / 255
    seen = set()
    for image, label in zip(shifted, labels.tolist(), strict=True):
        windows = {(y, x): padded[label, :, y : y + 8, x : x + 8] for y in range(3) for x in range(3)}
        [place] = [place for place, window in windows.items() if torch.allclose(window, image, atol=1e-6)]
        seen.add(place)
    assert len(seen) == 9


def test_flip_mirrors_half_of_the_images() -> None:
    images = image_set(400)
    [(flipped, _)] = loader(images, batch_size=400, augmentation=Augmentation(flip=True)).epoch(0)
    plain = images.images.float() / 255
    is_same = (flipped - plain).abs().amax((1, 2, 3)) < 1e-6
    is_mirrored = (flipped - plain.flip(3)).abs().amax((1, 2, 3)) < 1e-6
    assert bool((is_same | is_mirrored).all())
    assert 150 < int(is_mirrored.sum()) < 250


def test_no_augmentation_shows_the_images() -> None:
    images = image_set(10)
    for options in ({"augmentation": None}, {"augmentation": Augmentation()}):
        [(shown, _)] = loader(images, batch_size=10, **options).epoch(0)
        assert torch.allclose(shown * 255, images.images.float(), atol=1e-4)


def test_crop_boxes_stay_inside_and_cover_the_drawn_area() -> None:
    augmentation = Augmentation(min_crop_area=0.08)
    draws = augmentation.draw(np.random.default_rng(0), 2000)
    crops = augmentation.crops(draws)
    assert crops is not None
    shares = []
    for crop in crops:
        left, top, right, bottom = crop_box(crop, 300, 200)
        assert 0 <= left < right <= 300
        assert 0 <= top < bottom <= 200
        shares.append((right - left) * (bottom - top) / 60_000)
        assert shares[-1] == pytest.approx(crop[2])
    assert min(shares) < 0.12
    assert max(shares) > 0.9
    assert math.isclose(float(np.mean(shares)), 0.54, abs_tol=0.02)


def test_a_crop_of_everything_is_the_image(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "set", folder_files({"": {"a": 4, "b": 4}}, size=128))
    data = load_data(source, resolution=112)
    whole = np.array([[0.5, 0.5, 1.0, 0.5]])
    memory = data.train.pixels.read(np.array([0]), whole)
    lazy = load_data(source, resolution=112, memory_limit=0).train.pixels.read(np.array([0]), whole)
    assert memory.shape == lazy.shape == (1, 112, 112, 3)
    assert np.abs(memory.astype(int) - lazy).max() <= 2
    assert memory[0, 5, 5].tolist() == [255, 255, 255]  # the corner that a centre crop shows less of


def test_resized_crops_vary(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "set", folder_files({"": {"a": 6, "b": 6}}, size=128))
    data = load_data(source, resolution=112, memory_limit=0)
    batches = Loader(
        data.train,
        batch_size=8,
        mean=data.mean,
        std=data.std,
        augmentation=data.augmentation,
        num_workers=2,
    )
    first, second = (next(iter(batches.epoch(epoch)))[0] for epoch in (0, 1))
    assert first.shape == (8, 3, 112, 112)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    "options",
    [{"padding": -1}, {"min_crop_area": 0.0}, {"min_crop_area": 1.5}, {"padding": 2, "min_crop_area": 0.5}],
)
def test_bad_augmentations(options: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="augmentation"):
        Augmentation(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 0},
        {"mean": (0.0,)},
        {"batch_size": 11, "drop_last": True},
    ],
)
def test_bad_loaders(options: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="loader"):
        loader(image_set(10), **options)


def test_there_is_no_process_beyond_the_last() -> None:
    with pytest.raises(DataError, match="rank 2 of 2"):
        ProcessShare(2, 2)
