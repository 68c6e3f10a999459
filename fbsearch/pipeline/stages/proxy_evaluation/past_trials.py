"""Networks that a search by trials trained: its checkpoint holds all of them with their accuracies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fbsearch.architecture import Architecture
from fbsearch.errors import InvalidInputError, SpaceError
from fbsearch.pipeline.recipe import read_recipe
from fbsearch.pipeline.stages.proxy_evaluation.trained_networks import TrainedNetwork
from fbsearch.proxies.evaluation import MIN_NETWORKS
from fbsearch.records import RunPaths, require
from fbsearch.spaces import Code, Space, load_space
from fbsearch.train import CHECKPOINT, load_state


def read_past_trials(root: Path, space: Space | None) -> tuple[TrainedNetwork, ...]:
    """The trials of a run's search, each network once.

    Args:
        root: the run's folder.
        space: that was searched; None for that of the run's recipe.

    Raises:
        CheckpointError: if there is no checkpoint of a search, or it is damaged.
        InvalidInputError: if it is no search by trials, of another space, or its scores are no accuracies.
    """
    path = require(RunPaths(root).search / CHECKPOINT, "fbsearch search --method random")
    state = load_state(path)
    try:
        trials = [(tuple(code), float(score)) for code, score in state["task"]["trials"]]
        fingerprint, settings = state["identity"]["space"], state["identity"]["settings"]
    except (KeyError, TypeError, ValueError):
        raise InvalidInputError(
            f"{path}: no search by trials, such as --method random, which trains every network"
        ) from None
    if "training" not in settings or "proxy" in settings or any(not 0 <= score <= 1 for _, score in trials):
        raise InvalidInputError(f"{path}: its trials were judged by a score, not by training: no accuracies")
    searched = space if space is not None else _recorded_space(root)
    if searched.fingerprint != fingerprint:
        raise InvalidInputError(
            f"{path} is of another space than {searched.name!r}: give its own with --space"
        )
    try:
        networks = tuple(_networks(trials, searched))
    except SpaceError as error:
        raise InvalidInputError(f"{path}: {error}") from None
    if len(networks) < MIN_NETWORKS:
        raise InvalidInputError(f"{path}: {len(networks)} networks: it takes {MIN_NETWORKS} or more")
    return networks


def _networks(trials: list[tuple[Code, float]], space: Space) -> Iterator[TrainedNetwork]:
    """The first trial of every network: what was tried before was not trained again."""
    seen = set()
    for number, (code, accuracy) in enumerate(trials, start=1):
        architecture = space.decode(code)
        if architecture.nodes not in seen:
            seen.add(architecture.nodes)
            yield TrainedNetwork(f"trial {number}", architecture, accuracy)


def _recorded_space(root: Path) -> Space:
    """The space of a run's recipe, with as many classes as what was found there tells apart."""
    paths = RunPaths(root)
    if not paths.recipe.exists():
        raise InvalidInputError(f"{root} does not tell which space was searched: give it with --space")
    fields: dict[str, Any] = read_recipe(paths.recipe).space.model_dump()
    if fields["num_classes"] is None and paths.architecture.exists():
        fields["num_classes"] = Architecture.load(paths.architecture).num_classes
    return load_space(fields.pop("source"), **fields)
