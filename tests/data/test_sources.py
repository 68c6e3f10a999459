"""Loading data sets: layouts, splits, caps, sizes."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fbsearch.data import DataSplits, load_data
from fbsearch.data.images import LazyPixels, stored_resolution
from tests.data.image_folders import cifar_files, folder_files, write_folder, write_zip

CLASSES = {"cat": 10, "dog": 10, "owl": 10}


def colours(data: DataSplits, split: str) -> set[tuple[int, int, int]]:
    """The colours of a split's pictures: see folder_files."""
    images = getattr(data, split).images
    return {tuple(image[:, -1, -1].tolist()) for image in images}


def test_digits_are_embedded_and_split_by_class() -> None:
    data = load_data("digits")
    assert (data.resolution, data.in_channels, data.num_classes) == (16, 1, 10)
    assert len(data.train) + len(data.val) + len(data.test) == 1797
    assert len(data.test) == pytest.approx(0.2 * 1797, abs=6)
    for split in (data.train, data.val, data.test):
        shares = np.bincount(split.labels, minlength=10) / len(split)
        assert shares == pytest.approx(np.full(10, 0.1), abs=0.02)
    assert not data.augmentation.flip  # a mirrored digit is another one, or none


def test_splits_depend_on_the_seed_alone() -> None:
    first, again, other = (load_data("digits", seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.train.images, again.train.images)
    assert first.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize("form", ["folder", "zip", "zip with a top folder"])
def test_classes_only_are_split_by_seed_without_overlap(tmp_path: Path, form: str) -> None:
    files = folder_files({"": CLASSES})
    if form == "folder":
        source = write_folder(tmp_path / "set", files)
    else:
        source = write_zip(tmp_path / "set.zip", files, top="set" if "top" in form else "")
    data = load_data(source)
    assert data.class_names == ("cat", "dog", "owl")
    assert (len(data.train), len(data.val), len(data.test)) == (21, 3, 6)
    assert (data.resolution, data.in_channels) == (12, 3)
    seen = [colours(data, split) for split in ("train", "val", "test")]
    assert len(set.union(*seen)) == sum(map(len, seen)) == 30
    red = data.test.images[:, 0, -1, -1].numpy()
    assert np.array_equal(red, 40 * data.test.labels)


def test_train_and_test_folders_keep_the_test_set_and_split_off_val(tmp_path: Path) -> None:
    files = folder_files({"train": CLASSES, "test": {"cat": 2, "dog": 2, "owl": 2}})
    data = load_data(write_zip(tmp_path / "set.zip", files), val_fraction=0.3)
    assert (len(data.train), len(data.val), len(data.test)) == (21, 9, 6)
    assert {green for _, green, _ in colours(data, "test")} == {60}
    assert {green for _, green, _ in colours(data, "val")} == {0}


def test_three_folders_are_taken_as_they_are(tmp_path: Path) -> None:
    counts = {"train": CLASSES, "val": {"cat": 1, "dog": 2, "owl": 1}, "test": {"cat": 2, "dog": 1, "owl": 1}}
    data = load_data(write_folder(tmp_path / "set", folder_files(counts)))
    assert (len(data.train), len(data.val), len(data.test)) == (30, 4, 4)


def test_val_is_the_test_set_where_there_is_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = folder_files({"train": CLASSES, "val": {"cat": 2, "dog": 2, "owl": 2}})
    with caplog.at_level(logging.WARNING):
        data = load_data(write_folder(tmp_path / "set", files))
    assert {green for _, green, _ in colours(data, "test")} == {60}
    assert "val is the test set" in caplog.text


def test_files_of_the_system_and_other_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = folder_files({"": CLASSES})
    files |= {"__MACOSX/cat/._000.png": b"x", "cat/.DS_Store": b"x", "cat/notes.txt": b"x"}
    with caplog.at_level(logging.WARNING):
        data = load_data(write_zip(tmp_path / "set.zip", files))
    assert data.class_names == ("cat", "dog", "owl")
    assert "1 files are no images, such as cat/notes.txt" in caplog.text


def test_limit_keeps_classes_in_proportion_and_decodes_nothing_else(tmp_path: Path) -> None:
    files = folder_files({"train": {"cat": 40, "dog": 20}, "test": {"cat": 8, "dog": 4}})
    whole = load_data(write_folder(tmp_path / "set", files), limit=12)
    assert np.bincount(whole.train.labels).tolist() == [8, 4]
    kept = {(red, number) for red, _, number in colours(whole, "train") | colours(whole, "val")}
    for name in files:
        _, class_name, number = name.split("/")
        if name.startswith("train") and ((0 if class_name == "cat" else 40), int(number[:3])) not in kept:
            (tmp_path / "set" / name).write_bytes(b"broken")  # would be an error, were it decoded
    assert torch.equal(load_data(tmp_path / "set", limit=12).train.images, whole.train.images)


def test_eval_limit_is_for_validation_and_test() -> None:
    data = load_data("digits", limit=200, eval_limit=50)
    assert (len(data.train), len(data.val), len(data.test)) == (200, 50, 50)


@pytest.mark.parametrize("as_zip", [False, True])
def test_cifar_binary_files(tmp_path: Path, as_zip: bool) -> None:
    files = {f"cifar-10-batches-bin/{name}": content for name, content in cifar_files().items()}
    source = write_zip(tmp_path / "c.zip", files) if as_zip else write_folder(tmp_path / "c", files)
    data = load_data(source)
    assert (len(data.train), len(data.val), len(data.test)) == (90, 10, 20)
    assert data.class_names[3] == "cat"
    assert (data.resolution, data.in_channels, data.augmentation.flip) == (32, 3, True)
    record = np.frombuffer(files["cifar-10-batches-bin/test_batch.bin"], np.uint8)[:3073]
    image = torch.from_numpy(record[1:].reshape(3, 32, 32).copy())
    assert any(torch.equal(image, other) for other in data.test.images)


def test_asked_resolution_and_channels() -> None:
    data = load_data("digits", resolution=24, in_channels=3, limit=50)
    assert data.train.images.shape == (50, 3, 24, 24)
    assert len(data.mean) == len(data.std) == 3
    images = data.train.images
    assert torch.equal(images[:, 0], images[:, 2])


def test_mean_and_std_are_those_of_the_training_pixels() -> None:
    data = load_data("digits")
    pixels = data.train.images.double() / 255
    assert data.mean[0] == pytest.approx(float(pixels.mean()), abs=1e-5)
    assert data.std[0] == pytest.approx(float(pixels.std()), abs=1e-4)


def test_lazy_images_are_the_images_in_memory(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "set", folder_files({"": CLASSES}, size=150, suffix="jpg"))
    memory = load_data(source, resolution=112)
    lazy = load_data(source, resolution=112, memory_limit=0)
    assert memory.train.is_in_memory
    assert not lazy.train.is_in_memory
    assert torch.equal(memory.test.images, lazy.test.images)
    assert torch.equal(memory.test.subset([3, 1]).images, lazy.test.subset([3, 1]).images)
    assert memory.fingerprint == lazy.fingerprint
    assert memory.augmentation.min_crop_area == 0.08


def test_photographs_keep_a_margin_for_crops(tmp_path: Path) -> None:
    assert stored_resolution(224) == 256
    assert stored_resolution(32) == 32
    source = write_folder(tmp_path / "set", folder_files({"": CLASSES}, size=120))
    data = load_data(source)
    assert data.resolution == 224
    assert data.train.images.shape[2:] == (224, 224)


def test_images_that_are_not_square_show_their_centre(tmp_path: Path) -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 200
    for name in ("a", "b"):
        for number in range(4):
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(path)
    data = load_data(tmp_path, resolution=10)
    assert data.train.images[..., 1:-1].min() == 200  # at the edge the filter sees the neighbours


@pytest.mark.parametrize(
    ("mode", "value", "shown"),
    [("L", 100, 100), ("LA", (100, 255), 100), ("RGBA", (100, 100, 100, 0), 100), ("I;16", 100 << 8, 100)],
)
def test_modes_of_pixels(tmp_path: Path, mode: str, value: int, shown: int) -> None:
    for name in ("a", "b"):
        for number in range(4):
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new(mode, (8, 8), value).save(path)
    for channels in (1, 3):
        images = load_data(tmp_path, in_channels=channels).train.images
        assert images.unique().tolist() == [shown]


def test_a_photograph_turned_by_its_camera_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:16] = 250
    for name in ("a", "b"):
        for number in range(4):
            path = tmp_path / name / f"{number}.jpg"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(path, exif=exif)
    image = load_data(tmp_path).train.images[0].float().mean((0, 2))
    assert image[:10].max() < 10 < 240 < image[-10:].min()


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    write_folder(tmp_path / "elsewhere", folder_files({"": CLASSES}))
    root = tmp_path / "set"
    root.mkdir()
    for name in CLASSES:
        (root / name).symlink_to(tmp_path / "elsewhere" / name)
    (tmp_path / "elsewhere" / "cat" / "back").symlink_to(root)
    data = load_data(root)
    assert len(data.train) + len(data.val) + len(data.test) == 30
    assert data.class_names == ("cat", "dog", "owl")
    assert isinstance(load_data(root, memory_limit=0).train.pixels, LazyPixels)
