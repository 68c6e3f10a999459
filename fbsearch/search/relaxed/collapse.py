"""Known failures of differentiable search: everything that may be skipped is, or nothing was decided."""

from __future__ import annotations

import numpy as np

from fbsearch.costs import FloatArray
from fbsearch.spaces import FactoredSpace


def describe_collapse(space: FactoredSpace, probabilities: FloatArray) -> str | None:
    """A warning if the most probable architecture skips nearly every layer that it may skip.

    A known failure of differentiable search: parameter-free candidates win because they need no
    training, whatever the budget. The tolerated share is 80 % of the layers that offer the identity.
    """
    optional = [index for index, one in enumerate(space.decisions) if any(c.is_free for c in one.candidates)]
    best = np.argmax(probabilities, axis=1)
    skipped = [index for index in optional if space.decisions[index].candidates[best[index]].is_free]
    if len(optional) < 2 or len(skipped) <= 0.8 * len(optional):
        return None
    return (
        f"the search collapsed: its most probable architecture skips {len(skipped)} of the "
        f"{len(optional)} layers that can be skipped; "
        "search longer, lengthen search.warmup_epochs, or raise the budget"
    )


UNDECIDED_SHARE = 0.99
"""Of the greatest entropy: above it, probabilities differ by about a fifth of themselves at most."""


def describe_indecision(space: FactoredSpace, probabilities: FloatArray) -> str | None:
    """A warning if the probabilities stayed as even as they began: what was found is as good as drawn by lot.

    Args:
        space: that was searched.
        probabilities: ``S x C``.
    """
    open_slots = [index for index, one in enumerate(space.decisions) if len(one.candidates) > 1]
    if not open_slots:
        return None
    counts = np.array([len(space.decisions[index].candidates) for index in open_slots])
    entropy, greatest = _entropies(probabilities[open_slots]).mean(), np.log(counts).mean()
    if entropy <= UNDECIDED_SHARE * greatest:
        return None
    return (
        "the search did not decide: its probabilities stayed as even as they began (entropy "
        f"{entropy:.3f} of at most {greatest:.3f}), so that the finalists are as good as drawn by lot; "
        "search longer, or raise search.architecture_learning_rate"
    )


def _entropies(probabilities: FloatArray) -> FloatArray:
    """Of each row, in nats."""
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    entropies: FloatArray = -(probabilities * logs).sum(axis=1)
    return entropies
