"""Proxies in company: ranks, whose logarithms are added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from fbsearch.errors import InvalidInputError


def rank_log(scores: Mapping[str, Sequence[float]]) -> NDArray[np.float64]:
    """An ensemble's score of each network, higher where better: sum over proxies of ln(rank / n).

    A network's rank under a proxy is 1 for the worst of n, n for the best; equals share their mean rank.

    >>> rank_log({"zen": [1.0, 2.0], "params": [5.0, 5.0]}).round(2)
    array([-0.98, -0.29])

    Args:
        scores: by proxy, a number for each network; -inf for one that has no score: it ranks last.

    Raises:
        InvalidInputError: if there is no proxy, or the proxies scored different numbers of networks.
    """
    lengths = {name: len(values) for name, values in scores.items()}
    if len(set(lengths.values())) != 1:
        raise InvalidInputError(f"an ensemble needs proxies that scored the same networks, not {lengths}")
    table = np.asarray(list(scores.values()), dtype=np.float64)
    if np.isnan(table).any():
        raise InvalidInputError("a score is NaN: give -inf to a network that has none")
    return np.log(rankdata(table, axis=1) / table.shape[1]).sum(axis=0)  # type: ignore[no-any-return]
