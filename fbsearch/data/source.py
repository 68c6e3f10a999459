"""A source's name to its three splits, ready for training."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fbsearch.data.archive import open_archive
from fbsearch.data.arrays import cifar_catalogue, cifar_folder, digits_catalogue
from fbsearch.data.augmentation import PHOTO_RESOLUTION, Augmentation, default_augmentation
from fbsearch.data.catalogue import SPLITS, Catalogue, Items, Split, check_classes, complete_splits, limited
from fbsearch.data.decoding import (
    CorruptImageError,
    IntArray,
    convert,
    default_threads,
    for_each_image,
    read_all,
)
from fbsearch.data.folder import folder_catalogue
from fbsearch.data.images import ImageSet, LazyPixels, MemoryPixels, stored_resolution
from fbsearch.errors import DataError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CorruptImage:
    """An image that was left out: its name and what is wrong with it."""

    name: str
    reason: str


@dataclass(frozen=True)
class DataSplits:
    """Training, validation and test images of one size.

    Args:
        source: as it was asked for.
        class_names: in label order.
        mean: per channel, of training pixels scaled to [0, 1].
        std: per channel, likewise.
        augmentation: what suits the images, unless a user says otherwise.
        corrupt: images that were left out.
        fingerprint: SHA-256 of what is in which split: equal for equal data.
    """

    source: str
    train: ImageSet
    val: ImageSet
    test: ImageSet
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augmentation: Augmentation
    corrupt: tuple[CorruptImage, ...]
    fingerprint: str

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def resolution(self) -> int:
        """Height and width in pixels."""
        return self.train.resolution

    @property
    def in_channels(self) -> int:
        """1 for gray, 3 for colour."""
        return self.train.in_channels


def load_data(
    source: str | Path,
    *,
    resolution: int | None = None,
    in_channels: int | None = None,
    seed: int = 0,
    val_fraction: float = 0.1,
    test_fraction: float = 0.2,
    limit: int | None = None,
    eval_limit: int | None = None,
    skip_corrupt: bool = False,
    memory_limit: int = 2 << 30,
) -> DataSplits:
    """Load a data set.

    Args:
        source: ``digits``, or a directory or .zip with train/, val/ and test/ folders of class folders,
            train/ and test/ (val is split off from train), train/ and val/ (as ImageNet: val is the test
            set), class folders alone, or CIFAR-10's binary files.
        resolution: height and width; None: the source's own, for photographs 224.
        in_channels: 1 or 3; None: the source's own.
        seed: of the splits, of their order and of what ``limit`` keeps.
        val_fraction: share of the training images that becomes validation images, per class.
        test_fraction: likewise for test images, where the source defines none.
        limit: at most so many images per split, each class in proportion.
        eval_limit: likewise for validation and test, in place of ``limit``.
        skip_corrupt: leave corrupt images out, with a warning, rather than refuse the data set. Where images
            are not held in memory this decodes each once to find them.
        memory_limit: bytes of pixels that are held in memory; larger sets are decoded as they are used.

    Raises:
        DataError: if the source is missing, empty, corrupt or does not fit what was asked.
    """
    _check_options(resolution, in_channels, val_fraction, test_fraction)
    catalogue = _catalogue(source)
    splits = complete_splits(catalogue, seed=seed, val_fraction=val_fraction, test_fraction=test_fraction)
    for split, items in splits.items():
        cap = limit if split == "train" or eval_limit is None else eval_limit
        if cap is not None:
            splits[split] = limited(items, cap, len(catalogue.class_names), name=catalogue.name)
    shape = _shape(catalogue, splits["train"], resolution, in_channels)
    num_bytes = sum(map(len, splits.values())) * stored_resolution(shape[0]) ** 2 * shape[1]
    threads = default_threads()
    opener = _in_memory if num_bytes <= memory_limit else _lazy_checked if skip_corrupt else _lazy
    opened = {split: opener(catalogue, splits[split], shape, threads) for split in SPLITS}
    corrupt = tuple(image for split in SPLITS for image in opened[split][1])
    _report_corrupt(catalogue, corrupt, skip_corrupt=skip_corrupt)
    sets = {split: image_set for split, (image_set, _) in opened.items()}
    for split, image_set in sets.items():
        check_classes(catalogue.name, split, catalogue.class_names, image_set.labels)
    return _finish(str(source), catalogue, sets, corrupt)


def _check_options(
    resolution: int | None, in_channels: int | None, val_fraction: float, test_fraction: float
) -> None:
    if resolution is not None and not 1 <= resolution <= 4096:
        raise DataError(f"resolution must lie between 1 and 4096 pixels, not {resolution}")
    if in_channels not in (None, 1, 3):
        raise DataError(f"images have 1 channel (gray) or 3 (colour), not {in_channels}")
    for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 < fraction < 1:
            raise DataError(f"{name} must lie between 0 and 1, not {fraction}")
    if val_fraction + test_fraction >= 1:
        raise DataError(
            f"val_fraction {val_fraction} and test_fraction {test_fraction} leave nothing to train on"
        )


def _catalogue(source: str | Path) -> Catalogue:
    if str(source) == "digits":
        return digits_catalogue()
    archive = open_archive(Path(source).expanduser())
    folder = cifar_folder(archive)
    return folder_catalogue(archive) if folder is None else cifar_catalogue(archive, folder)


def _shape(
    catalogue: Catalogue, items: Items, resolution: int | None, in_channels: int | None
) -> tuple[int, int]:
    """Resolution and channels: as asked, else the source's own, else as the first image suggests."""
    resolution = resolution or catalogue.default_resolution
    in_channels = in_channels or catalogue.default_channels
    if resolution is None or in_channels is None:
        side, mode = _first_image(catalogue, items)
        resolution = resolution or (side if side < PHOTO_RESOLUTION else 224)
        in_channels = in_channels or (1 if mode in ("1", "L") or mode.startswith("I") else 3)
    return resolution, in_channels


def _first_image(catalogue: Catalogue, items: Items) -> tuple[int, str]:
    """Shorter side and mode of the first image that can be read; loading reports those that cannot."""
    for index in items.indices.tolist():
        with suppress(CorruptImageError), catalogue.reader.open(index, size=4096) as image:
            return min(image.size), image.mode
    raise DataError(
        f"{catalogue.name}: all {len(items)} training images are corrupt: download or create it again"
    )


def _in_memory(
    catalogue: Catalogue, items: Items, shape: tuple[int, int], num_threads: int
) -> tuple[ImageSet, list[CorruptImage]]:
    resolution, in_channels = shape
    stored, failures = read_all(
        catalogue.reader,
        items.indices,
        size=stored_resolution(resolution),
        in_channels=in_channels,
        num_threads=num_threads,
    )
    kept, corrupt = _without(catalogue, items, failures)
    if corrupt:
        stored = stored[kept]
    return ImageSet(MemoryPixels(stored, resolution), items.labels[kept]), corrupt


def _lazy(
    catalogue: Catalogue, items: Items, shape: tuple[int, int], num_threads: int
) -> tuple[ImageSet, list[CorruptImage]]:
    """Decode nothing yet: a corrupt image is an error when it is met."""
    return ImageSet(LazyPixels(catalogue.reader, items.indices, *shape), items.labels), []


def _lazy_checked(
    catalogue: Catalogue, items: Items, shape: tuple[int, int], num_threads: int
) -> tuple[ImageSet, list[CorruptImage]]:
    """Decode everything once, to know what is corrupt, and keep no pixels."""

    def check(row: int) -> None:
        with catalogue.reader.open(int(items.indices[row]), size=stored_resolution(shape[0])) as image:
            convert(image, shape[1])

    kept, corrupt = _without(catalogue, items, for_each_image(check, len(items), num_threads=num_threads))
    return _lazy(catalogue, items.at(kept), shape, num_threads)[0], corrupt


def _without(
    catalogue: Catalogue, items: Items, failures: list[tuple[int, str]]
) -> tuple[IntArray, list[CorruptImage]]:
    """The rows that did not fail, and the images that did."""
    kept = np.delete(np.arange(len(items)), [row for row, _ in failures])
    return kept, [CorruptImage(catalogue.reader.name(int(items.indices[row])), why) for row, why in failures]


def _report_corrupt(catalogue: Catalogue, corrupt: tuple[CorruptImage, ...], *, skip_corrupt: bool) -> None:
    if not corrupt:
        return
    shown = "; ".join(f"{image.name} ({image.reason})" for image in corrupt[:3])
    more = f" and {len(corrupt) - 3} more" if len(corrupt) > 3 else ""
    message = f"{catalogue.name}: {len(corrupt)} corrupt images: {shown}{more}"
    if not skip_corrupt:
        raise DataError(f"{message}; remove them, or leave them out with --skip-corrupt")
    _log.warning("%s; left out", message)


def _finish(
    source: str, catalogue: Catalogue, sets: dict[Split, ImageSet], corrupt: tuple[CorruptImage, ...]
) -> DataSplits:
    train = sets["train"]
    mean, std = _statistics(train)
    return DataSplits(
        source=source,
        train=train,
        val=sets["val"],
        test=sets["test"],
        class_names=catalogue.class_names,
        mean=mean,
        std=std,
        augmentation=default_augmentation(train.resolution, is_flippable=catalogue.is_flippable),
        corrupt=corrupt,
        fingerprint=_fingerprint(catalogue, sets),
    )


def _statistics(image_set: ImageSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel, from the first images (their order is random)."""
    pixels = image_set.pixels.read(np.arange(min(len(image_set), _statistics_sample(image_set))))
    counts = [np.bincount(channel.reshape(-1), minlength=256) for channel in np.moveaxis(pixels, 3, 0)]
    levels = np.arange(256) / 255
    means = [float(count @ levels / count.sum()) for count in counts]
    deviations = [float(np.sqrt(c @ (levels - m) ** 2 / c.sum())) for c, m in zip(counts, means, strict=True)]
    # A channel that never varies is centred and left at its scale.
    return tuple(round(m, 6) for m in means), tuple(round(d, 6) if d > 1e-6 else 1.0 for d in deviations)


def _statistics_sample(image_set: ImageSet) -> int:
    """Enough images for about ten million pixels: the statistics' error is far below a grey level."""
    return max(256, 10_000_000 // image_set.resolution**2)


def _fingerprint(catalogue: Catalogue, sets: dict[Split, ImageSet]) -> str:
    train = sets["train"]
    digest = hashlib.sha256(json.dumps([catalogue.class_names, train.resolution, train.in_channels]).encode())
    for split in SPLITS:
        digest.update(split.encode())
        digest.update(sets[split].labels.tobytes())
        digest.update(sets[split].pixels.read(np.arange(min(64, len(sets[split])))).tobytes())
    return digest.hexdigest()
