"""What θ's loss holds beside the objective: SNAS' resource terms, and Zen-Score.

    L = objective(CE, LAT) + Σ_r η_r E[C_r] / 10⁶ − λ (E[Zen] − least) / (greatest − least)

Zen-Score is in nats, of which a space spans ten or more; so it counts as a share of its range there,
and λ is what the whole way from the least score to the greatest is worth, in nats of cross-entropy.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from fbsearch.costs import AdditiveCost, TabulatedCost, mac_cost, memory_access_cost, parameter_cost
from fbsearch.proxies import is_chain, zen_cost
from fbsearch.search.method import Session
from fbsearch.search.relaxed.settings import DnasSettings
from fbsearch.search.relaxed.tilt import Expectation
from fbsearch.spaces import FactoredSpace
from fbsearch.train import epoch_bar

_PENALTIES = {"num_params": parameter_cost, "num_macs": mac_cost, "memory_access": memory_access_cost}
_MILLION = 1e6


def make_terms(
    space: FactoredSpace, settings: DnasSettings, zen: AdditiveCost | None
) -> tuple[Expectation, ...]:
    """Functions of ``S x C`` weights, one for each resource that has a price, and one for the score.

    Args:
        space: that is searched.
        settings: the prices.
        zen: the score as :func:`measure_zen` gives it.
    """
    terms: list[Expectation] = [
        partial(_resource_term, _PENALTIES[name](space), eta)
        for name, eta in settings.penalties.items()
        if eta
    ]
    if zen is not None:
        terms.append(partial(_zen_term, zen, zen.range(), settings.zen_weight))
    return tuple(terms)


def measure_zen(
    space: FactoredSpace, settings: DnasSettings, seed: int, session: Session
) -> AdditiveCost | None:
    """The score of each candidate, on the CPU; None where it has no weight in the loss.

    Raises:
        ProxyError: if the space has no such score.
    """
    if not settings.zen_weight:
        return None
    is_shown = session.progress and session.accelerator.is_main_process
    with epoch_bar("zen", settings.zen_repeats, unit="repeat", enabled=is_shown) as show:
        return zen_cost(space, repeats=settings.zen_repeats, seed=seed, advance=lambda done: show(done, []))


def describe_rough_zen(space: FactoredSpace, settings: DnasSettings) -> str | None:
    """A warning if the loss has a Zen term that stands on less than it seems to."""
    if not settings.zen_weight or is_chain(space):
        return None
    return (
        f"search.zen_weight is {settings.zen_weight:g}, and the space is no chain: there the sum over "
        "candidates follows Zen-Score only roughly, and its authors warn that the score of cells has no "
        "meaning in theory; "
        "compare with search.zen_weight=0"
    )


def _resource_term(cost: TabulatedCost, eta: float, weights: Tensor) -> Tensor:
    return eta * cost.expectation(weights) / _MILLION


def _zen_term(zen: AdditiveCost, extent: tuple[float, float], weight: float, weights: Tensor) -> Tensor:
    least, greatest = extent
    scale = weight / (greatest - least) if greatest > least else 0.0  # all architectures may score alike
    return (least - zen.expectation(weights)) * scale
