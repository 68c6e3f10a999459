"""An architecture: stem, layers and head as operators, with JSON both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from fbsearch.architecture.operator import Operator
from fbsearch.errors import ArchitectureError
from fbsearch.files import read_json, write_json

FORMAT = "fbsearch.architecture"
VERSION = 1


@dataclass(frozen=True)
class Architecture:
    """A chain of operators from the image to the class scores.

    Args:
        name: how people call it.
        stem: operators before the searched layers.
        layers: one operator per searched layer.
        head: operators after them; the last is the classifier.

    Raises:
        ArchitectureError: if an operator's output does not fit the next one's input.
    """

    name: str
    stem: tuple[Operator, ...]
    layers: tuple[Operator, ...]
    head: tuple[Operator, ...]

    def __post_init__(self) -> None:
        operators = tuple(self.operators())
        if not operators or operators[-1].kind != "classifier":
            raise ArchitectureError(f"architecture {self.name!r}: the last operator must be a classifier")
        for before, after in pairwise(operators):
            given = (before.out_channels, before.output_resolution)
            if before.kind == "classifier" or given != (after.in_channels, after.resolution):
                raise ArchitectureError(
                    f"architecture {self.name!r}: {before} gives {given[0]} channels at {given[1]} px, "
                    f"which is no input for {after}"
                )

    def operators(self) -> Iterator[Operator]:
        """All operators, in the order in which they run."""
        yield from self.stem
        yield from self.layers
        yield from self.head

    @property
    def resolution(self) -> int:
        """Height and width of the input image in pixels."""
        return next(self.operators()).resolution

    @property
    def in_channels(self) -> int:
        """Channels of the input image."""
        return next(self.operators()).in_channels

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.head[-1].out_channels

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: operators as their keys."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "stem": [op.key for op in self.stem],
            "layers": [op.key for op in self.layers],
            "head": [op.key for op in self.head],
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Architecture:
        """The architecture whose :meth:`to_dict` is ``data``.

        Raises:
            ArchitectureError: if ``data`` is not such a form, or of a newer version.
        """
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise ArchitectureError(f"not an architecture: 'format' must be {FORMAT!r}")
        if data.get("version") != VERSION:
            raise ArchitectureError(
                f"architecture of version {data.get('version')!r}; this fbsearch reads version {VERSION}"
            )
        if not isinstance(data.get("name"), str):
            raise ArchitectureError("architecture: 'name' must be a text")
        return Architecture(
            name=data["name"],
            stem=_operators(data, "stem"),
            layers=_operators(data, "layers"),
            head=_operators(data, "head"),
        )

    def save(self, path: Path) -> None:
        """Write the JSON form to ``path``, atomically."""
        write_json(path, self.to_dict())

    @staticmethod
    def load(path: Path) -> Architecture:
        """Read an architecture from a JSON file.

        Raises:
            ArchitectureError: if the file cannot be read or holds no architecture.
        """
        try:
            return Architecture.from_dict(read_json(path))
        except ArchitectureError as error:
            raise ArchitectureError(f"{path}: {error}") from None
        except (OSError, ValueError, RecursionError) as error:  # not UTF-8, not JSON, nested thousands deep
            raise ArchitectureError(f"{path}: cannot read an architecture: {error}") from None


def _operators(data: Mapping[str, Any], part: str) -> tuple[Operator, ...]:
    keys = data.get(part)
    if not isinstance(keys, list):
        raise ArchitectureError(f"architecture: {part!r} must be a list of operator keys")
    return tuple(Operator.from_key(key) for key in keys)
