"""A known failure of differentiable search: everything that may be skipped is."""

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
