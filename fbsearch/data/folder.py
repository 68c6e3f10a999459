"""Image folders: one folder per class, with or without train, val and test above them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fbsearch.data.archive import Archive
from fbsearch.data.catalogue import Catalogue, Items, Split
from fbsearch.data.decoding import SUFFIXES, decoded
from fbsearch.errors import DataError

_SPLIT_NAMES: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_LAYOUT = "expected one folder of images per class, or train/, val/ and test/ with such folders"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileReader:
    """Images that are files of an archive."""

    archive: Archive
    names: tuple[str, ...]

    def name(self, index: int) -> str:
        """The file's path within the data set."""
        return self.names[index]

    def open(self, index: int, *, size: int) -> AbstractContextManager[Image.Image]:
        """As :meth:`~fbsearch.data.decoding.ImageReader.open`."""
        return decoded(self.archive.read(self.names[index]), size=size)


def folder_catalogue(archive: Archive) -> Catalogue:
    """The classes and splits of an image folder.

    Raises:
        DataError: if the folders do not name classes, or classes differ between splits.
    """
    images = tuple(name for name in archive.files if name.lower().endswith(SUFFIXES))
    if not images:
        raise DataError(f"{archive.source}: holds no image ({', '.join(SUFFIXES)}); {_LAYOUT}")
    others = sorted(set(archive.files) - set(images))
    if others:
        _log.warning("%s: %d files are no images, such as %s", archive.source, len(others), others[0])
    groups = _groups(archive, images)
    class_names = tuple(sorted(groups["train"]))
    if not class_names:
        raise DataError(f"{archive.source}: no class folder; {_LAYOUT}")
    items = {split: _items(archive, split, classes, class_names) for split, classes in groups.items()}
    return Catalogue(str(archive.source), class_names, items, FileReader(archive, images), is_flippable=True)


def _items(
    archive: Archive, split: Split, classes: Mapping[str, list[int]], class_names: tuple[str, ...]
) -> Items:
    unknown = sorted(set(classes) - set(class_names))
    if unknown:
        raise DataError(
            f"{archive.source}: class {unknown[0]!r} is in {split} but not in train: add or remove it"
        )
    label_of = {name: label for label, name in enumerate(class_names)}
    pairs = sorted((index, label_of[name]) for name, indices in classes.items() for index in indices)
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return Items(table[:, 0], table[:, 1])


def _depth(archive: Archive, images: tuple[str, ...]) -> int:
    """How many folders everything lies in, one within the other, such as ``cifar10/``."""
    depths = {name.count("/") for name in images}
    for depth in range(min(depths)):
        folders = {parts[depth] for name in archive.folders if len(parts := name.split("/")) > depth}
        has_subfolders = any(name.count("/") > depth for name in archive.folders)
        if len(folders) > 1 or not has_subfolders or folders.pop().lower() in _SPLIT_NAMES:
            return depth
    return min(depths)


def _groups(archive: Archive, images: tuple[str, ...]) -> dict[Split, dict[str, list[int]]]:
    """Per split and class the numbers of the images; a class that has only its folder is there, empty."""
    depth = _depth(archive, images)
    splits = _split_folders(archive, depth)
    groups: dict[Split, dict[str, list[int]]] = {split: {} for split in splits.values()} or {"train": {}}
    class_depth = depth + bool(splits)
    for folder in archive.folders:
        parts = folder.split("/")
        if len(parts) == class_depth + 1:
            groups[splits[parts[depth]] if splits else "train"][parts[-1]] = []
    for index, name in enumerate(images):
        parts = name.split("/")
        if len(parts) < class_depth + 2:
            raise DataError(f"{archive.source}: {name} lies in no class folder; {_LAYOUT}")
        groups[splits[parts[depth]] if splits else "train"][parts[class_depth]].append(index)
    return _with_test(archive, groups)


def _split_folders(archive: Archive, depth: int) -> dict[str, Split]:
    """Which folders are splits; none where the folders are the classes themselves."""
    folders = {parts[depth] for name in archive.folders if len(parts := name.split("/")) > depth}
    splits = {name: _SPLIT_NAMES[name.lower()] for name in folders if name.lower() in _SPLIT_NAMES}
    if "train" not in splits.values():
        return {}
    if set(splits) != folders or len(set(splits.values())) != len(splits):
        more = f" and {len(folders) - 9} more" if len(folders) > 9 else ""
        raise DataError(f"{archive.source}: found folders {', '.join(sorted(folders)[:9])}{more}; {_LAYOUT}")
    return splits


def _with_test(
    archive: Archive, groups: dict[Split, dict[str, list[int]]]
) -> dict[Split, dict[str, list[int]]]:
    """Where train and val are all there is, as on ImageNet, val is what results are reported on: test."""
    if "val" in groups and "test" not in groups:
        _log.warning(
            "%s: no test folder: val is the test set, and validation images are split off from train",
            archive.source,
        )
        groups["test"] = groups.pop("val")
    return groups
