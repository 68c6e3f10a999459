"""What a source holds before anything is decoded: classes, and per split the images with their labels."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fbsearch.data.decoding import ImageReader, IntArray
from fbsearch.errors import DataError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
MAX_CLASSES = 50_000
"""Twice as many as the largest public set has (ImageNet-21k)."""


@dataclass(frozen=True)
class Items:
    """Images of a split: their numbers in the reader, and their labels."""

    indices: IntArray
    labels: IntArray

    def __len__(self) -> int:
        return len(self.indices)

    def at(self, positions: IntArray) -> Items:
        """The items at ``positions``, in that order."""
        return Items(self.indices[positions], self.labels[positions])


@dataclass(frozen=True)
class Catalogue:
    """A source's images.

    Args:
        name: of the source, for messages.
        class_names: in label order.
        items: the splits that the source defines: train alone, train and test, or all three.
        reader: opens images.
        is_flippable: whether a mirrored image is still one of its class.
        default_resolution: of the loaded images where none is asked for; None: see the first image.
        default_channels: likewise.
    """

    name: str
    class_names: tuple[str, ...]
    items: Mapping[Split, Items]
    reader: ImageReader
    is_flippable: bool
    default_resolution: int | None = None
    default_channels: int | None = None

    def __post_init__(self) -> None:
        if len(self.class_names) < 2:
            raise DataError(
                f"{self.name}: one class only ({self.class_names[0]!r}): a classifier needs two or more"
            )
        if len(self.class_names) > MAX_CLASSES:
            raise DataError(
                f"{self.name}: {len(self.class_names)} classes, {MAX_CLASSES} at most: "
                "is there a folder per image in place of a folder per class?"
            )
        for split, items in self.items.items():
            check_classes(self.name, split, self.class_names, items.labels)


def check_classes(name: str, split: Split, class_names: tuple[str, ...], labels: IntArray) -> None:
    """Refuse a split in which a class has no image.

    Raises:
        DataError: naming the first such classes.
    """
    counts = np.bincount(labels, minlength=len(class_names))
    empty = [class_names[label] for label in np.flatnonzero(counts == 0)]
    if empty:
        more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
        raise DataError(
            f"{name}: no image of class {', '.join(map(repr, empty[:5]))}{more} in {split}: "
            "add images or remove the class"
        )


def complete_splits(
    catalogue: Catalogue, *, seed: int, val_fraction: float, test_fraction: float
) -> dict[Split, Items]:
    """All three splits: those the source defines, the others split off from train, stratified by class.

    Each is in a random order, so that its first images are a fair sample.

    Raises:
        DataError: if a class has too few images.
    """
    rng = np.random.default_rng([seed, 11])
    train = catalogue.items["train"]
    splits: dict[Split, Items] = {}
    # Both fractions are of what the source calls train, whichever split is taken first.
    fractions: dict[Split, float] = {"test": test_fraction, "val": val_fraction}
    missing = {split: share for split, share in fractions.items() if split not in catalogue.items}
    taken = _stratified(catalogue, train, list(missing.values()), rng)
    for split, positions in zip(missing, taken[1:], strict=True):
        splits[split] = train.at(positions)
    splits["train"] = train.at(taken[0])
    for split in SPLITS:
        items = splits.get(split) or catalogue.items[split]
        splits[split] = items.at(rng.permutation(len(items)))
    return splits


def limited(items: Items, limit: int, num_classes: int, *, name: str) -> Items:
    """At most ``limit`` items, each class in proportion and none left out.

    Raises:
        DataError: if ``limit`` is below the number of classes.
    """
    if limit < num_classes:
        raise DataError(
            f"{name}: limit {limit} is below the number of classes: allow {num_classes} images or more"
        )
    if limit >= len(items):
        return items
    counts = np.bincount(items.labels, minlength=num_classes)
    quotas = _quotas(counts, limit)
    # Position within its own class, in the (random) order of the items.
    rank = np.empty(len(items), np.int64)
    for positions in _by_class(items.labels, num_classes):
        rank[positions] = np.arange(len(positions))
    return items.at(np.flatnonzero(rank < quotas[items.labels]))


def _by_class(labels: IntArray, num_classes: int) -> list[IntArray]:
    """Where each class stands in ``labels``, in ascending order."""
    ends = np.cumsum(np.bincount(labels, minlength=num_classes))
    return np.split(np.argsort(labels, kind="stable"), ends[:-1])


def _quotas(counts: IntArray, total: int) -> IntArray:
    """``total`` shared in proportion to ``counts`` (largest remainders), at least 1 each."""
    exact = counts * (total / counts.sum())
    quotas: IntArray = np.minimum(counts, np.maximum(1, np.floor(exact).astype(np.int64)))
    missing = total - int(quotas.sum())
    step = 1 if missing > 0 else -1
    last = counts if missing > 0 else np.ones_like(counts)
    # Who is furthest from the exact share comes first, of equals the first class.
    queue = [(-step * (exact[label] - quotas[label]), label) for label in np.flatnonzero(quotas != last)]
    heapq.heapify(queue)
    for _ in range(abs(missing)):
        _, label = heapq.heappop(queue)
        quotas[label] += step
        if quotas[label] != last[label]:
            heapq.heappush(queue, (-step * (exact[label] - quotas[label]), label))
    return quotas


def _stratified(
    catalogue: Catalogue, items: Items, fractions: list[float], rng: np.random.Generator
) -> list[IntArray]:
    """Positions of what stays, then of each share taken; every class is in every part."""
    parts: list[list[IntArray]] = [[] for _ in range(len(fractions) + 1)]
    classes = _by_class(items.labels, len(catalogue.class_names))
    for class_name, ordered in zip(catalogue.class_names, classes, strict=True):
        positions = rng.permutation(ordered)
        if len(positions) <= len(fractions):
            raise DataError(
                f"{catalogue.name}: class {class_name!r} has {len(positions)} images, too few to split off "
                f"validation and test images: {len(fractions) + 1} are needed"
            )
        start = 0
        for part, fraction in enumerate(fractions, start=1):
            room = len(positions) - start - (len(fractions) - part) - 1
            count = min(room, max(1, round(fraction * len(positions))))
            parts[part].append(positions[start : start + count])
            start += count
        parts[0].append(positions[start:])
    return [np.concatenate(part) for part in parts]
