"""Genotypes as JSON, and those that come with fbsearch by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fbsearch.errors import ArchitectureError, UnreadableFileError
from fbsearch.files import parse_json, read_json, write_json
from fbsearch.spaces.genotypes.genotype import NUM_INPUTS, Genotype

if TYPE_CHECKING:
    from importlib.abc import Traversable

FORMAT = "fbsearch.genotype"
VERSION = 1

PREVIOUS_FIRST = "0: output of the last cell but one, 1: of the last, 2 and on: nodes"
LAST_FIRST = "0: output of the last cell, 1: of the last but one, 2 and on: nodes"
"""What a file may say of its states under ``index``; NASNet's release counts as the second says."""

_ALSO_CALLED = {"enas": "enas_micro"}
"""A space has the short name."""


def genotype_names() -> tuple[str, ...]:
    """Names of the genotypes that come with fbsearch."""
    names = (file.name for file in _published().iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


def load_genotype(source: str) -> Genotype:
    """A published genotype by name, or one from a JSON file.

    >>> load_genotype("darts_v2").normal.nodes[0]
    (('sep_conv_3x3', 0), ('sep_conv_3x3', 1))

    Raises:
        ArchitectureError: if ``source`` is neither, or the file is wrong; the message names the field.
    """
    name = _ALSO_CALLED.get(source, source)
    if name in genotype_names():
        text = (_published() / f"{name}.json").read_text("utf-8")
        return parse_genotype(parse_json(text), source=name)
    if not Path(source).exists():
        raise ArchitectureError(
            f"{source!r} is neither a file nor a known genotype ({', '.join(genotype_names())})"
        )
    try:
        return parse_genotype(read_json(Path(source)), source=source)
    except UnreadableFileError as error:
        raise ArchitectureError(f"{source}: cannot read a genotype: {error}") from None


def is_genotype(source: str) -> bool:
    """Whether ``source`` names a published genotype, or a JSON file that says it is one."""
    if source in genotype_names():
        return True
    if not source.endswith(".json"):
        return False
    try:
        data = read_json(Path(source))
    except UnreadableFileError:
        return False
    return isinstance(data, Mapping) and data.get("format") == FORMAT


def save_genotype(genotype: Genotype, path: Path) -> None:
    """Write a genotype as JSON, atomically."""
    write_json(path, to_dict(genotype))


def to_dict(genotype: Genotype) -> dict[str, Any]:
    """The JSON form; states count from the last cell but one."""
    data = genotype.model_dump(mode="json", exclude_defaults=True)
    return {"format": FORMAT, "version": VERSION, "index": PREVIOUS_FIRST, **data}


def parse_genotype(data: Any, *, source: str) -> Genotype:
    """The genotype of a JSON form; ``source`` is named in errors.

    Raises:
        ArchitectureError: naming the first wrong field.
    """
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise ArchitectureError(f"genotype {source}: 'format' must be {FORMAT!r}")
    if data.get("version") != VERSION or isinstance(data["version"], bool):
        raise ArchitectureError(
            f"genotype {source}: version {data.get('version')!r}; this fbsearch reads version {VERSION}"
        )
    index = data.get("index")
    if index not in (PREVIOUS_FIRST, LAST_FIRST):
        raise ArchitectureError(
            f"genotype {source}: index {index!r}: allowed are {PREVIOUS_FIRST!r} and {LAST_FIRST!r}"
        )
    content = {name: value for name, value in data.items() if name not in ("format", "version", "index")}
    try:
        genotype = Genotype.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ArchitectureError(f"genotype {source}: {place}: {first['msg']}") from None
    return genotype if index == PREVIOUS_FIRST else _exchanged(genotype)


def _exchanged(genotype: Genotype) -> Genotype:
    """With both inputs' numbers exchanged."""
    number = [1, 0, *range(NUM_INPUTS, max(cell.num_states for cell in genotype.cells().values()))]
    cells = {
        kind: cell.model_copy(
            update={
                "nodes": tuple(tuple((op, number[source]) for op, source in edges) for edges in cell.nodes),
                "concat": tuple(number[state] for state in cell.concat),
            }
        )
        for kind, cell in genotype.cells().items()
    }
    return genotype.model_copy(update=cells)


def _published() -> Traversable:
    return resources.files("fbsearch.spaces.genotypes") / "published"
