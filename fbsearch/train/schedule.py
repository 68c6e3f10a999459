"""The learning rate as a function of the step."""

from __future__ import annotations

import math


def cosine_rate(step: int, *, num_steps: int, num_warmup_steps: int = 0) -> float:
    """Factor of the learning rate: linear from 0 to 1 over the warm-up, then half a cosine to 0.

    ``(step + 1) / W`` for ``step < W``, else ``(1 + cos(pi (step - W) / (T - W))) / 2``
    (Loshchilov & Hutter, 2017, eq. 5, without restarts).

    Args:
        step: from 0.
        num_steps: T.
        num_warmup_steps: W.

    >>> [round(cosine_rate(step, num_steps=6, num_warmup_steps=2), 2) for step in range(6)]
    [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    if step < num_warmup_steps:
        return (step + 1) / num_warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - num_warmup_steps) / max(1, num_steps - num_warmup_steps)))
