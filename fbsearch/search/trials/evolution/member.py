"""A structure that was scored, and what it is worth among others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fbsearch.proxies import rank_log
from fbsearch.spaces import Code


@dataclass(frozen=True)
class Member:
    """A structure with its scores.

    Args:
        code: of the structure in its space.
        scores: one for each proxy.
    """

    code: Code
    scores: tuple[float, ...]


def merits(members: Sequence[Member]) -> NDArray[np.float64]:
    """What each is worth among the others, the higher the better.

    Of one proxy the score itself; of several :func:`fbsearch.proxies.rank_log` of their ranks among
    ``members``.
    """
    table = np.asarray([member.scores for member in members], dtype=np.float64)
    if not members or table.shape[1] == 1:
        return table.ravel()
    columns: list[list[float]] = table.T.tolist()
    return rank_log({str(number): column for number, column in enumerate(columns)})
