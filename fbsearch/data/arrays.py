"""Data sets that come as arrays: scikit-learn's digits and the CIFAR-10 binary files."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fbsearch.data.archive import Archive
from fbsearch.data.catalogue import Catalogue, Items
from fbsearch.data.decoding import ByteArray, CorruptImageError, to_image
from fbsearch.errors import DataError, DependencyError

_TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST_FILE = "test_batch.bin"
_CLASSES_FILE = "batches.meta.txt"
_RECORD_BYTES = 1 + 3 * 32 * 32
_CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class ArrayReader:
    """Images of an array ``N x H x W x C``."""

    source: str
    pixels: ByteArray

    def name(self, index: int) -> str:
        """The image's number."""
        return f"{self.source}[{index}]"

    def open(self, index: int, *, size: int) -> AbstractContextManager[Image.Image]:
        """As :meth:`~fbsearch.data.decoding.ImageReader.open`."""
        return nullcontext(to_image(self.pixels[index]))


def digits_catalogue() -> Catalogue:
    """scikit-learn's 1,797 handwritten digits, 8 x 8 gray: embedded, so that nothing is downloaded.

    Raises:
        DependencyError: if scikit-learn is missing.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DependencyError("the digits need scikit-learn: pip install scikit-learn") from None
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, :, :, None]
    labels = digits.target.astype(np.int64)
    return Catalogue(
        name="digits",
        class_names=tuple(str(digit) for digit in range(10)),
        items={"train": Items(np.arange(len(labels)), labels)},
        reader=ArrayReader("digits", pixels),
        is_flippable=False,
        default_resolution=16,
        default_channels=1,
    )


def cifar_folder(archive: Archive) -> str | None:
    """The folder that holds CIFAR-10's binary files, with a final ``/`` or empty; None if there is none.

    Raises:
        DataError: if the folder holds the pickled files for Python instead.
    """
    for name in archive.files:
        folder, file = name[: name.rfind("/") + 1], name[name.rfind("/") + 1 :]
        if file == "data_batch_1":
            raise DataError(
                f"{archive.source}: these are CIFAR-10's pickled files, which could run code: "
                "use the binary version (data_batch_1.bin, ...)"
            )
        if file in (*_TRAIN_FILES, _TEST_FILE):
            return folder
    return None


def cifar_catalogue(archive: Archive, folder: str) -> Catalogue:
    """CIFAR-10 from its binary files (Krizhevsky, 2009): 50,000 training and 10,000 test images.

    Raises:
        DataError: if a file is missing or damaged.
    """
    records = [_read_records(archive, folder + name) for name in (*_TRAIN_FILES, _TEST_FILE)]
    num_test = len(records[-1])
    table = np.concatenate(records)
    labels = table[:, 0].astype(np.int64)
    pixels = np.ascontiguousarray(table[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    numbers = np.arange(len(labels))
    train, test = (
        Items(numbers[:-num_test], labels[:-num_test]),
        Items(numbers[-num_test:], labels[-num_test:]),
    )
    return Catalogue(
        name=str(archive.source),
        class_names=_class_names(archive, folder),
        items={"train": train, "test": test},
        reader=ArrayReader("cifar10", pixels),
        is_flippable=True,
        default_resolution=32,
        default_channels=3,
    )


def _read_records(archive: Archive, name: str) -> ByteArray:
    if name not in archive.files:
        raise DataError(
            f"{archive.source}: {name} is missing: the set has five data_batch files and a test_batch"
        )
    try:
        data = np.frombuffer(archive.read(name), np.uint8)
    except CorruptImageError as error:
        raise DataError(f"{archive.source}: {name}: {error}") from None
    if len(data) == 0 or len(data) % _RECORD_BYTES:
        raise DataError(
            f"{archive.source}: {name} is damaged: its size is no multiple of {_RECORD_BYTES} bytes"
        )
    records = data.reshape(-1, _RECORD_BYTES)
    if records[:, 0].max() > 9:
        raise DataError(f"{archive.source}: {name} is damaged: label {records[:, 0].max()} is not one of 0-9")
    return records


def _class_names(archive: Archive, folder: str) -> tuple[str, ...]:
    """From the file that comes with the set; the well-known ones where it does not."""
    if folder + _CLASSES_FILE not in archive.files:
        return _CIFAR_CLASSES
    try:
        text = archive.read(folder + _CLASSES_FILE).decode("utf-8", "replace")
    except CorruptImageError as error:
        raise DataError(f"{archive.source}: {folder}{_CLASSES_FILE}: {error}") from None
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    return names if len(names) == 10 else _CIFAR_CLASSES
