"""The space that a table is of: as options name it, or as the table and the run around it tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fbsearch.architecture import Operator
from fbsearch.cli.options import SpaceFields
from fbsearch.errors import FbsearchError, SpaceError, TableMismatchError
from fbsearch.latency import LatencyTable
from fbsearch.pipeline.recipe import read_recipe
from fbsearch.records import RunPaths
from fbsearch.spaces import Space, load_space


def space_of(table: LatencyTable, path: Path, source: str | None, fields: SpaceFields) -> Space:
    """The space that the options name, or the table's own.

    Args:
        table: as read.
        path: its file.
        source: its space; None for its own, by its name or by the recipe of the run that it lies in.
        fields: what replaces fields of the space's definition.

    Raises:
        SpaceError: if the named one cannot be loaded.
        TableMismatchError: if the table was measured for another, or for one whose file must be named.
    """
    own = None if source is not None else _own_space(table, path, fields)
    if own is not None:
        return own
    try:
        space = load_space(source or table.space_name, **fields)
    except SpaceError as error:
        if source is not None:
            raise
        raise TableMismatchError(
            f"{table.source} was measured for space {table.space_name!r}, which is no preset ({error}): "
            "give its file with --space"
        ) from None
    table.check_space(space)
    return space


def _own_space(table: LatencyTable, path: Path, fields: SpaceFields) -> Space | None:
    """The very space that the table was measured for; None where nothing tells which it is."""
    given = {name: value for name, value in fields.items() if value is not None}
    for source, settings in _told(table, path):
        try:
            space = load_space(source, **{**settings, **given})
        except SpaceError:
            continue
        if space.fingerprint == table.space_fingerprint:
            return space
    return None


def _told(table: LatencyTable, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Sources with their fields: the preset of the table's name, and what the run around it searches."""
    sources: list[tuple[str, Mapping[str, Any]]] = [(table.space_name, {})]
    try:
        settings = read_recipe(RunPaths(path.parent).recipe).space.model_dump()
        sources.append((settings.pop("source"), settings))
    except FbsearchError:
        pass  # it lies in no run
    for source, fields in sources:
        yield source, fields
        for num_classes in _numbers_of_classes(table):
            yield source, {**fields, "num_classes": num_classes}


def _numbers_of_classes(table: LatencyTable) -> list[int]:
    """What the table's operators tell apart: a run's space has as many classes as its images."""
    outputs = [Operator.from_key(key).output for key in table.entries]
    return sorted({output.channels for output in outputs if output.is_vector})
