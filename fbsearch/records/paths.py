"""A run's folder: which file lies where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fbsearch.errors import CheckpointError
from fbsearch.export import precision_path
from fbsearch.precision import Precision
from fbsearch.records.metrics import METRICS

_VERIFICATION = re.compile(r"verification(?:-(\d+))?")
_TABLE = re.compile(r"table(?:-(\d+))?")
_ATTEMPT = re.compile(r"\d+")


@dataclass(frozen=True)
class RunPaths:
    """The files of a run's folder.

    A run has one or more targets, devices that the model has to run on, numbered from 1 as the recipe lists
    them. What belongs to one is named with its number, the number 1 being left out.
    """

    root: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.root / "recipe.yaml"

    @property
    def record(self) -> Path:
        """Versions, machine, command, stages."""
        return self.root / "run.json"

    def table(self, target: int = 1) -> Path:
        """The latency table of a target."""
        return self._of_target("table", target, ".json")

    def num_tables(self) -> int:
        """The highest number of a target that has a table; 0 for none."""
        stems = [path.stem for path in self.root.glob("table*.json")]
        return max((int(match[1] or 1) for match in map(_TABLE.fullmatch, stems) if match), default=0)

    def launches(self, target: int = 1) -> Path:
        """Every launch of a benchmark tool on a phone, but those of profiling."""
        return self._of_target("launches", target, ".jsonl")

    @property
    def search(self) -> Path:
        """The search's folder."""
        return self.root / "search"

    @property
    def search_result(self) -> Path:
        """The distribution, the finalists, the chosen one."""
        return self.search / "result.json"

    @property
    def search_metrics(self) -> Path:
        """A row per epoch of the search."""
        return self.search / METRICS

    @property
    def inherited_weights(self) -> Path:
        """The chosen architecture's weights from the supernet."""
        return self.search / "inherited.safetensors"

    @property
    def architecture(self) -> Path:
        """The chosen architecture."""
        return self.root / "architecture.json"

    @property
    def train(self) -> Path:
        """The training's folder."""
        return self.root / "train"

    @property
    def train_result(self) -> Path:
        """Test metrics of the trained network."""
        return self.train / "result.json"

    @property
    def train_metrics(self) -> Path:
        """A row per epoch of the training."""
        return self.train / METRICS

    @property
    def weights(self) -> Path:
        """The trained weights."""
        return self.root / "weights.safetensors"

    @property
    def inputs(self) -> Path:
        """The data set, its classes and normalisation."""
        return self.root / "inputs.json"

    def verification(self, target: int = 1) -> Path:
        """The check of the exported model on a target."""
        return self._of_target("verification", target, ".json")

    def verified_targets(self) -> list[int]:
        """The numbers of the targets whose checks there are."""
        stems = [path.stem for path in self.root.glob("verification*.json")]
        return sorted(int(match[1] or 1) for match in map(_VERIFICATION.fullmatch, stems) if match)

    def other_verification(self, model: str) -> Path:
        """The check of another model file than the run's own, by the file's name."""
        return self.root / f"verification.{model}.json"

    @property
    def attempts(self) -> Path:
        """Exported models that were over the budget, each in a folder with its number."""
        return self.root / "attempts"

    def attempt(self, number: int) -> RunPaths:
        """The files of the model that was put aside as the n-th, counted from 1."""
        return RunPaths(self.attempts / str(number))

    def each_attempt(self) -> Iterator[RunPaths]:
        """The files of every model that was put aside, in their order."""
        names = [path.name for path in self.attempts.iterdir()] if self.attempts.is_dir() else []
        for number in sorted(int(name) for name in names if _ATTEMPT.fullmatch(name)):
            yield self.attempt(number)

    @property
    def report(self) -> Path:
        """The page about the run."""
        return self.root / "report.html"

    def model(self, model_format: str, precision: Precision = "fp32") -> Path:
        """A model file."""
        return precision_path(self.root / f"model.{model_format}", precision)

    def _of_target(self, name: str, target: int, suffix: str) -> Path:
        return self.root / f"{numbered(name, target, separator='-')}{suffix}"


def numbered(name: str, target: int, *, separator: str) -> str:
    """What a file or a stage of a target is called.

    >>> numbered("profile", 1, separator=" "), numbered("profile", 2, separator=" ")
    ('profile', 'profile 2')
    """
    return name if target == 1 else f"{name}{separator}{target}"


def require(path: Path, made_by: str) -> Path:
    """``path``, if the file exists.

    Raises:
        CheckpointError: naming the command that makes it.
    """
    if not path.exists():
        raise CheckpointError(f"{path} is missing; it is made by '{made_by}'")
    return path
