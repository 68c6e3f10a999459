"""What figures say of a score, in words."""

from __future__ import annotations

from fbsearch.proxies.evaluation.resampling import Estimate, two_decimals


def in_words(tau: Estimate, difference: Estimate | None, baseline: str) -> str:
    """Whether a score beats the best trivial baseline on the same networks.

    >>> tau, difference = Estimate(0.56, (0.48, 0.63)), Estimate(0.03, (-0.05, 0.11))
    >>> in_words(tau, difference, "number of convolutions")
    'does not beat number of convolutions: difference 0.03, interval −0.05 to 0.11'

    Args:
        tau: of the score with the accuracies.
        difference: of that τ to the baseline's, in the same samples; None for a baseline itself.
        baseline: the best one, in words.
    """
    chance = _against_chance(tau)
    if difference is None:
        return "; ".join(part for part in ("trivial baseline", chance) if part)
    figures = f"difference {two_decimals(difference.value)}, interval {difference.interval_words}"
    return "; ".join(part for part in (f"{_relation(difference)} {baseline}: {figures}", chance) if part)


def beats(difference: Estimate) -> bool:
    """Whether the whole interval lies above zero."""
    return difference.interval[0] > 0


def _relation(difference: Estimate) -> str:
    if beats(difference):
        return "beats"
    return "is worse than" if difference.interval[1] < 0 else "does not beat"


def _against_chance(tau: Estimate) -> str:
    low, high = tau.interval
    if low > 0:
        return ""
    how = "orders these networks the wrong way round" if high < 0 else "cannot be told from chance"
    return f"{how}: τ {two_decimals(tau.value)}, interval {tau.interval_words}"
