"""Data sets that cannot be used end in one clear error."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fbsearch.data import Loader, load_data
from fbsearch.errors import DataError
from tests.data.image_folders import cifar_files, folder_files, write_folder, write_zip

CLASSES = {"cat": 10, "dog": 10}


def damaged(files: dict[str, bytes], *names: str) -> dict[str, bytes]:
    """The files, with some that are no images or end too early."""
    changed = dict(files)
    for index, name in enumerate(names):
        changed[name] = b"no image" if index % 2 == 0 else files[name][: len(files[name]) // 2]
    return changed


def test_corrupt_images_are_named_and_counted(tmp_path: Path) -> None:
    files = damaged(folder_files({"": CLASSES}), "cat/001.png", "cat/002.png", "dog/003.png", "dog/004.png")
    source = write_zip(tmp_path / "set.zip", files)
    with pytest.raises(DataError, match=r"4 corrupt images: .*and 1 more.*--skip-corrupt") as caught:
        load_data(source)
    assert "\n" not in str(caught.value)
    named = [
        name
        for name in ("cat/001.png", "cat/002.png", "dog/003.png", "dog/004.png")
        if name in str(caught.value)
    ]
    assert len(named) == 3


@pytest.mark.parametrize("memory_limit", [0, 1 << 30])
def test_corrupt_images_are_left_out_on_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, memory_limit: int
) -> None:
    files = damaged(folder_files({"": CLASSES}), "cat/001.png", "dog/003.png")
    source = write_folder(tmp_path / "set", files)
    with caplog.at_level(logging.WARNING):
        data = load_data(source, skip_corrupt=True, memory_limit=memory_limit, resolution=12, in_channels=3)
    assert {image.name for image in data.corrupt} == {"cat/001.png", "dog/003.png"}
    assert len(data.train) + len(data.val) + len(data.test) == 18
    assert "2 corrupt images" in caplog.text
    for split in (data.train, data.val, data.test):
        assert np.array_equal(split.images[:, 0, -1, -1].numpy(), 40 * split.labels)


def test_a_corrupt_image_met_while_training_is_named(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "set", folder_files({"": CLASSES}))
    data = load_data(source, memory_limit=0)
    for path in source.rglob("*.png"):
        path.write_bytes(b"no image")
    loader = Loader(data.train, batch_size=4, mean=data.mean, std=data.std)
    with pytest.raises(DataError, match=r"corrupt image \w+/\d+\.png: not an image"):
        list(loader.epoch(0))


def test_a_zip_with_a_damaged_entry_names_it(tmp_path: Path) -> None:
    files = folder_files({"": CLASSES})
    source = write_zip(tmp_path / "set.zip", files)
    content = bytearray(source.read_bytes())
    start = content.index(files["cat/000.png"])
    content[start + 30] ^= 0xFF
    source.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"1 corrupt images: cat/000.png \(unreadable in the zip"):
        load_data(source, resolution=12, in_channels=3)


def test_a_data_set_of_corrupt_images_alone(tmp_path: Path) -> None:
    files = dict.fromkeys(folder_files({"": CLASSES}), b"no image")
    with pytest.raises(DataError, match="all 14 training images are corrupt"):
        load_data(write_folder(tmp_path / "set", files), skip_corrupt=True)


def _missing(path: Path) -> Path:
    return path / "nothing"


def _empty(path: Path) -> Path:
    return path


def _text_file(path: Path) -> Path:
    (path / "set.txt").write_text("x")
    return path / "set.txt"


def _not_a_zip(path: Path) -> Path:
    (path / "set.zip").write_bytes(b"PK\x03\x04 and then nothing of the kind")
    return path / "set.zip"


def _torn_zip(path: Path) -> Path:
    source = write_zip(path / "set.zip", folder_files({"": CLASSES}))
    source.write_bytes(source.read_bytes()[:-40])
    return source


def _empty_zip(path: Path) -> Path:
    return write_zip(path / "set.zip", {})


def _escaping_zip(path: Path) -> Path:
    return write_zip(path / "set.zip", {**folder_files({"": CLASSES}), "../cat/evil.png": b"x"})


def _absolute_zip(path: Path) -> Path:
    return write_zip(path / "set.zip", {**folder_files({"": CLASSES}), "/cat/evil.png": b"x"})


def _backslash_zip(path: Path) -> Path:
    return write_zip(path / "set.zip", {**folder_files({"": CLASSES}), "cat\\..\\..\\evil.png": b"x"})


def _encrypted_zip(path: Path) -> Path:
    source = write_zip(path / "set.zip", folder_files({"": CLASSES}))
    content = bytearray(source.read_bytes())
    with zipfile.ZipFile(source) as archive:
        directory = archive.start_dir
    content[directory + 8] |= 1  # the flag of the first entry
    source.write_bytes(bytes(content))
    return source


def _no_images(path: Path) -> Path:
    return write_folder(path / "set", {"cat/a.txt": b"x", "dog/b.txt": b"x"})


def _no_class_folders(path: Path) -> Path:
    files = folder_files({"": CLASSES})
    return write_folder(path / "set", {name.replace("/", "_"): content for name, content in files.items()})


def _image_beside_classes(path: Path) -> Path:
    files = folder_files({"": CLASSES})
    return write_folder(path / "set", {**files, "loose.png": files["cat/000.png"]})


def _one_class(path: Path) -> Path:
    return write_folder(path / "set", folder_files({"": {"cat": 10}}))


def _empty_class(path: Path) -> Path:
    (path / "set" / "owl").mkdir(parents=True)
    return write_folder(path / "set", folder_files({"": CLASSES}))


def _class_missing_in_test(path: Path) -> Path:
    return write_folder(path / "set", folder_files({"train": CLASSES, "test": {"cat": 3}}))


def _unknown_class_in_test(path: Path) -> Path:
    counts = {"train": CLASSES, "test": {"cat": 3, "dog": 3, "owl": 3}}
    return write_folder(path / "set", folder_files(counts))


def _unknown_split(path: Path) -> Path:
    return write_folder(path / "set", folder_files({"train": CLASSES, "test": CLASSES, "extra": CLASSES}))


def _too_few(path: Path) -> Path:
    return write_folder(path / "set", folder_files({"": {"cat": 10, "dog": 2}}))


def _pickled_cifar(path: Path) -> Path:
    return write_folder(path / "set", {"cifar-10-batches-py/data_batch_1": b"x"})


def _cifar_without_a_file(path: Path) -> Path:
    files = cifar_files()
    del files["data_batch_4.bin"]
    return write_folder(path / "set", files)


def _torn_cifar(path: Path) -> Path:
    files = cifar_files()
    files["data_batch_2.bin"] = files["data_batch_2.bin"][:-1]
    return write_folder(path / "set", files)


def _cifar_with_another_label(path: Path) -> Path:
    files = cifar_files()
    files["test_batch.bin"] = b"\x0a" + files["test_batch.bin"][1:]
    return write_folder(path / "set", files)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_missing, "no data set .*nothing"),
        (_empty, "holds no file"),
        (_text_file, "neither a directory nor a .zip"),
        (_not_a_zip, "unreadable zip"),
        (_torn_zip, "unreadable zip"),
        (_empty_zip, "holds no file"),
        (_escaping_zip, "unsafe name '../cat/evil.png'"),
        (_absolute_zip, "unsafe name '/cat/evil.png'"),
        (_backslash_zip, "unsafe name"),
        (_encrypted_zip, "encrypted"),
        (_no_images, "holds no image"),
        (_no_class_folders, "lies in no class folder"),
        (_image_beside_classes, "loose.png lies in no class folder"),
        (_one_class, "one class only .'cat'"),
        (_empty_class, "no image of class 'owl' in train"),
        (_class_missing_in_test, "no image of class 'dog' in test"),
        (_unknown_class_in_test, "class 'owl' is in test but not in train"),
        (_unknown_split, "found folders extra, test, train"),
        (_too_few, "class 'dog' has 2 images, too few"),
        (_pickled_cifar, "use the binary version"),
        (_cifar_without_a_file, "data_batch_4.bin is missing"),
        (_torn_cifar, "data_batch_2.bin is damaged: its size"),
        (_cifar_with_another_label, "label 10"),
    ],
)
def test_bad_sources(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_data(make(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 0}, "resolution"),
        ({"in_channels": 2}, "1 channel .* or 3"),
        ({"val_fraction": 0.0}, "val_fraction"),
        ({"test_fraction": 1.0}, "test_fraction"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
        ({"limit": 9}, "limit 9 is below the number of classes"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_data("digits", **options)
