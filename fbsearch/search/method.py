"""Ways of searching, behind one protocol, known by the names that ``--method`` takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Protocol

from accelerate import Accelerator
from pydantic import BeforeValidator, SerializeAsAny

from fbsearch.architecture import Architecture
from fbsearch.errors import InvalidInputError
from fbsearch.nn import Network
from fbsearch.search.finalist import Finalist
from fbsearch.search.limit import Limit
from fbsearch.search.method_settings import MethodSettings
from fbsearch.search.problem import Problem
from fbsearch.search.result import SearchResult
from fbsearch.spaces import Space

DEFAULT_METHOD = "dnas"


class Searched(Protocol):
    """What a search has learnt: proposes and ranks architectures within budgets, as often as it is asked.

    The life of one: :meth:`finalists` within the budgets, which are then measured on every target; again
    without those that turned out too slow, within budgets that know better; :meth:`choose` among those that
    keep all; :meth:`result`, and :meth:`trained` for the weights to start from.
    """

    @property
    def space(self) -> Space:
        """What was searched."""

    def finalists(
        self, limits: Sequence[Limit], *, excluded: Collection[Architecture] = ()
    ) -> list[Finalist]:
        """Architectures within the budgets, the best first.

        Args:
            limits: the budgets.
            excluded: architectures that are out of the question.

        Raises:
            BudgetError: if there is none.
        """

    def choose(self, finalists: Sequence[Finalist]) -> int:
        """Index of the finalist to take, of at least one."""

    def result(self, limits: Sequence[Limit], finalists: Sequence[Finalist], *, chosen: int) -> SearchResult:
        """The end of the search.

        Args:
            limits: the budgets that the finalists were found for.
            finalists: best first.
            chosen: index of the winner.
        """

    def trained(self, architecture: Architecture) -> Network | None:
        """The architecture with the weights that the search has for it; None where it has none."""


@dataclass(frozen=True)
class Session:
    """How a search is run.

    Args:
        folder: of its checkpoint, metrics and curves.
        resume: go on from the folder's checkpoint.
        accelerator: device, precision, processes.
        progress: show progress.
    """

    folder: Path
    resume: bool
    accelerator: Accelerator
    progress: bool = True


Search = Callable[[Problem, Session], Searched]
"""Searches; killed and resumed in the same session's folder, it ends like one that never was.

Raises BudgetError where no architecture keeps the budgets, SpaceError where the space is none that it can
search, DataError, TrainingError and CheckpointError.
"""

BoundOfAll = Callable[[Sequence[float]], float]
"""The bounds of several budgets to that of one search from which all of them choose."""


@dataclass(frozen=True)
class Method:
    """A way of searching.

    Args:
        name: that ``--method`` takes.
        settings: what a recipe's ``search`` section may say.
        search: does it.
        bound_of_all: for the budgets of a sweep.
        needs_data: whether it learns from images.
        seconds: tries a few steps of a search and tells how long all would take; None where there are none.
    """

    name: str
    settings: type[MethodSettings]
    search: Search
    bound_of_all: BoundOfAll
    needs_data: bool = True
    seconds: Callable[[Problem], float] | None = None

    def merge(self, swept: Sequence[Sequence[Limit]]) -> tuple[Limit, ...]:
        """The limits of the one search from which all budgets of a sweep choose.

        Args:
            swept: the limits of each budget, alike but for their bounds.
        """
        return tuple(
            replace(limits[0], bound=self.bound_of_all([limit.bound for limit in limits]))
            for limits in zip(*swept, strict=True)
        )


_METHODS: dict[str, Method] = {}


def register_method(method: Method) -> None:
    """Make a method known by its name."""
    _METHODS[method.name] = method


def method_names() -> tuple[str, ...]:
    """The names of all methods."""
    return tuple(sorted(_METHODS))


def find_method(name: str) -> Method:
    """The method of a name.

    Raises:
        InvalidInputError: if there is none; the message names those that there are.
    """
    if name not in _METHODS:
        raise InvalidInputError(f"no search method {name!r}; there are {', '.join(method_names())}")
    return _METHODS[name]


def _parse_settings(data: Any) -> Any:
    """A recipe's ``search`` section as the settings of the method that it names."""
    if isinstance(data, MethodSettings):
        return data
    fields = dict(data) if isinstance(data, Mapping) else {}
    name = fields.setdefault("method", DEFAULT_METHOD)
    if not isinstance(data, Mapping) or not isinstance(name, str):
        raise ValueError("write a mapping of settings, with the name of a 'method'")
    try:
        return find_method(name).settings.model_validate(fields)
    except InvalidInputError as error:
        raise ValueError(str(error)) from None


AnyMethodSettings = Annotated[SerializeAsAny[MethodSettings], BeforeValidator(_parse_settings)]
"""A recipe's ``search`` section: the settings of the method that it names, by default ``dnas``."""
