"""Networks that somebody trained: a CSV file of architectures with their accuracies."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fbsearch.architecture import Architecture, Node
from fbsearch.errors import ArchitectureError, InvalidInputError, SpaceError, UnreadableFileError
from fbsearch.files import JSON_BYTES, read_text
from fbsearch.proxies.evaluation import MIN_NETWORKS
from fbsearch.spaces import FactoredSpace, Space, is_structure_string, load_architecture

_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class TrainedNetwork:
    """A network and what it came to.

    Args:
        place: where it was read, such as ``line 3``.
        architecture: of the network.
        accuracy: a share.
    """

    place: str
    architecture: Architecture
    accuracy: float


def read_trained_networks(path: Path, space: Space | None) -> tuple[TrainedNetwork, ...]:
    """The networks of a CSV file with columns ``code`` or ``architecture``, and ``accuracy``.

    A code is numbers with spaces between them, or names of candidates; an architecture is the path of its
    JSON file, relative to the CSV file, or a structure string. Accuracies are shares, or all of them per
    cent. What other columns hold does not matter.

    Args:
        path: of the file.
        space: that codes are of; None where there are none.

    Raises:
        InvalidInputError: naming the file, the line and what is wrong there.
    """
    try:
        rows = list(_rows(read_text(path, most_bytes=JSON_BYTES)))
        if len(rows) < MIN_NETWORKS:
            raise InvalidInputError(f"{len(rows)} networks: give {MIN_NETWORKS} or more, each on a line")
        accuracies = shares({place: row.get("accuracy", "") for place, row in rows})
        architectures = {place: _architecture(place, row, space, path.parent) for place, row in rows}
        check_distinct(architectures)
    except UnreadableFileError as error:
        raise InvalidInputError(f"{path}: cannot read trained networks: {error}") from None
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from None
    return tuple(TrainedNetwork(place, architectures[place], accuracies[place]) for place, _ in rows)


def _rows(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line that is not empty, by its place and columns."""
    reader = csv.reader(text.removeprefix("\ufeff").splitlines(), strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        _check_columns(columns)
        for cells in reader:
            place = f"line {reader.line_num}"
            if len(cells) > len(columns):
                raise InvalidInputError(
                    f"{place} has {len(cells)} fields, the header {len(columns)}: "
                    "put what holds commas into double quotes"
                )
            if any(cell.strip() for cell in cells):
                yield place, dict(zip(columns, map(str.strip, cells), strict=False))
    except csv.Error as error:
        raise InvalidInputError(f"line {reader.line_num}: not CSV: {error}") from None


def _check_columns(columns: Sequence[str]) -> None:
    found = ", ".join(map(repr, columns[:20])) or "none"
    named = [name for name in ("code", "architecture") if name in columns]
    if "accuracy" not in columns or len(named) != 1:
        raise InvalidInputError(
            f"line 1 names the columns {found}: it takes 'accuracy' and either 'code' or 'architecture'"
        )
    if len(set(columns)) < len(columns):
        raise InvalidInputError(f"line 1 names a column twice: {found}")


def shares(texts: Mapping[str, str]) -> dict[str, float]:
    """Accuracies by place, as shares; given so, or all of them per cent.

    >>> shares({"line 2": "91", "line 3": "88.5"})
    {'line 2': 0.91, 'line 3': 0.885}

    Raises:
        InvalidInputError: naming the place of one that is none, or two that are of different units.
    """
    values = {place: _accuracy(place, text) for place, text in texts.items()}
    above = [place for place, value in values.items() if value > 1]
    if not above:
        return values
    below = [place for place, value in values.items() if 0 < value <= 1]  # 0 is the same in both
    if below:
        raise InvalidInputError(
            f"{below[0]}: accuracy {texts[below[0]]} reads as a share, but {above[0]}: {texts[above[0]]} "
            "as per cent: write all as shares, or all as per cent"
        )
    return {place: value / 100 for place, value in values.items()}


def _accuracy(place: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        given = repr(text[:40]) if text else "missing"
        raise InvalidInputError(
            f"{place}: accuracy {given}: allowed are shares from 0 to 1, or per cent up to 100"
        )
    return value


def _architecture(place: str, row: Mapping[str, str], space: Space | None, folder: Path) -> Architecture:
    try:
        if "architecture" in row:
            return _named_architecture(row["architecture"], space, folder)
        return _decoded(row.get("code", ""), space)
    except (ArchitectureError, SpaceError) as error:
        raise InvalidInputError(f"{place}: {error}") from None


def _named_architecture(text: str, space: Space | None, folder: Path) -> Architecture:
    if is_structure_string(text):
        if space is None:
            raise SpaceError("a structure string takes resolution and classes of a space: give --space")
        return load_architecture(text, resolution=space.input.resolution, num_classes=space.num_classes)
    path = folder / text
    return Architecture.load(path) if text and path.is_file() else load_architecture(text)


def _decoded(text: str, space: Space | None) -> Architecture:
    if space is None:
        raise SpaceError("a code says nothing without its space: give --space")
    words = text.split()
    if all(_NUMBER.fullmatch(word) for word in words):
        return space.decode([int(word) for word in words])
    if not isinstance(space, FactoredSpace) or len(words) != len(space.decisions):
        raise SpaceError(f"code {text[:80]!r} is none of space {space.name!r}")
    pairs = zip(words, space.decisions, strict=True)
    return space.decode([_index(word, decision.name, decision.names) for word, decision in pairs])


def _index(word: str, decision: str, names: tuple[str, ...]) -> int:
    if word not in names:
        raise SpaceError(f"{word[:40]!r} is no candidate at {decision}: allowed are {', '.join(names)}")
    return names.index(word)


def check_distinct(architectures: Mapping[str, Architecture]) -> None:
    """Refuse a network that stands there twice.

    Raises:
        InvalidInputError: naming both places.
    """
    seen: dict[tuple[Node, ...], str] = {}
    for place, architecture in architectures.items():
        first = seen.setdefault(architecture.nodes, place)
        if first != place:
            raise InvalidInputError(
                f"{place} is the same network as {first}: keep one of them, such as with the mean accuracy"
            )
