"""The resolved recipe in a run's folder: whose folder it is, and whether it is this very run's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fbsearch.errors import CheckpointError, UnreadableFileError
from fbsearch.files import check_writable, read_yaml, write_text
from fbsearch.ownership import owned
from fbsearch.pipeline.recipe.recipe import Recipe, parse_recipe
from fbsearch.records import RunPaths


@contextmanager
def claimed_folder(paths: RunPaths, recipe: Recipe, *, resume: bool) -> Iterator[None]:
    """The folder of this very run, which no other process writes within the block.

    Raises:
        CheckpointError: if it holds another run, or one and ``resume`` is false, or another process has it.
    """
    check_writable(paths.root)
    with owned(paths.root, error=CheckpointError, remedy="choose another --out"):
        _claim(paths, recipe, resume=resume)
        yield


def _claim(paths: RunPaths, recipe: Recipe, *, resume: bool) -> None:
    if not paths.recipe.exists():
        write_text(paths.recipe, recipe.to_yaml())
        return
    if not resume:
        raise CheckpointError(f"{paths.root} already holds a run: add --resume, or choose another --out")
    stored = read_recipe(paths.recipe)
    if stored != recipe:
        raise CheckpointError(
            f"{paths.root} holds a run with other settings ({_difference(stored, recipe)}): "
            "resume with the same settings, or choose another --out"
        )


def read_recipe(path: Path) -> Recipe:
    """The resolved recipe of a run.

    Raises:
        CheckpointError: if it cannot be read.
        RecipeError: if it is damaged.
    """
    try:
        data = read_yaml(path)
    except UnreadableFileError as error:
        raise CheckpointError(f"{path}: cannot read the run's recipe: {error}") from None
    return parse_recipe(data if isinstance(data, dict) else {}, source=str(path))


def _difference(stored: Recipe, given: Recipe) -> str:
    """The first settings that differ, by name."""
    old, new = stored.model_dump(mode="json"), given.model_dump(mode="json")
    names = [name for name in old if old[name] != new[name]]
    parts = []
    for name in names[:3]:
        if isinstance(old[name], dict) and isinstance(new[name], dict):
            inner = next(
                key for key in {**old[name], **new[name]} if old[name].get(key) != new[name].get(key)
            )
            parts.append(f"{name}.{inner} was {old[name].get(inner)!r}, is {new[name].get(inner)!r}")
        else:
            parts.append(f"{name} was {old[name]!r}, is {new[name]!r}")
    return "; ".join(parts)
