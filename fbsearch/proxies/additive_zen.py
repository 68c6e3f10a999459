"""Zen-Score as a cost of independent decisions: what each candidate adds to it, measured on random weights.

Of a chain the score is a sum over its nodes, not of the norms alone: ln Δ telescopes,

    Zen = ln Δ_0 + Σ_l z_l,    z_l = Σ_{norms of l} ½ ln(mean_c σ²_c) + ln(Δ_l / Δ_{l-1}),

with Δ_l = E‖f_l(x) − f_l(x + γε)‖₁ behind node l, and Δ_0 of the images. What stands before l changes z_l but
little, for it ends in a norm. So z of each candidate is measured once, on what a random choice before it
gives. Behind a node that joins several others there is no such sum: there z holds the norms' part alone, and
what a candidate does to the norms behind the sum is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from fbsearch.architecture import INPUT, Node
from fbsearch.costs import AdditiveCost, FloatArray
from fbsearch.nn import build
from fbsearch.proxies.finite import finite, logarithm
from fbsearch.proxies.normal import draw_weights, normal_images
from fbsearch.proxies.residuals import remove_residuals
from fbsearch.proxies.scoring import repeat_generator
from fbsearch.proxies.zen.paired_norm import pair_norms
from fbsearch.proxies.zen.score import GAMMA, mean_difference, variance_term
from fbsearch.spaces import Code, FactoredSpace

Advance = Callable[[float], None]
"""Told how many repeats are done, fractions included."""


def zen_cost(
    space: FactoredSpace,
    *,
    repeats: int,
    seed: int,
    batch_size: int = 16,
    advance: Advance = lambda done: None,
) -> AdditiveCost:
    """Zen-Score in nats, added up from the candidates; the same for the same seed.

    A candidate that passes its input on adds nothing.

    Args:
        space: whose candidates are measured.
        repeats: how often, each with weights, images and choices of its own; the mean counts.
        seed: of all of them.
        batch_size: B, of the images.
        advance: is told of the progress.

    Raises:
        ProxyError: if a candidate's output overflows or, in a chain, does not depend on the image.
    """
    telescopes = is_chain(space)
    passes = [
        _RandomPass(space, repeat_generator(seed, repeat), batch_size=batch_size, telescopes=telescopes)
        for repeat in range(repeats)
    ]
    for repeat, one in enumerate(passes):
        one.run(lambda share, before=repeat: advance(before + share))  # type: ignore[misc]  # no type of before
    return AdditiveCost(
        "zen",
        fixed=math.fsum(one.fixed for one in passes) / repeats,
        coefficients=np.mean([one.coefficients for one in passes], axis=0),
        label="additive Zen-Score" if telescopes else "additive Zen-Score of the norms alone",
    )


def is_chain(space: FactoredSpace) -> bool:
    """Whether every architecture is one chain, through all of which the image goes."""
    choices: list[tuple[Node, ...]] = [(node,) for node in space.fixed]
    choices += [decision.at(place) for decision in space.decisions for place in decision.places]
    return all(
        len({node.inputs for node in nodes}) == 1
        and len(nodes[0].inputs) == 1
        and not any(node.operator.is_constant for node in nodes)
        for nodes in choices
    )


class _RandomPass:
    """All candidates of a space once, each on what random choices before it give.

    Args:
        space: the space.
        generator: of weights, images and choices.
        batch_size: B.
        telescopes: whether what a node does to the difference counts.
    """

    def __init__(
        self, space: FactoredSpace, generator: torch.Generator, *, batch_size: int, telescopes: bool
    ) -> None:
        most = max(len(decision.candidates) for decision in space.decisions)
        self.fixed = 0.0
        self.coefficients: FloatArray = np.full((len(space.decisions), most), np.nan)
        for row, decision in zip(self.coefficients, space.decisions, strict=True):
            row[: len(decision.candidates)] = 0.0
        self._space = space
        self._generator = generator
        self._batch_size = batch_size
        self._telescopes = telescopes
        self._outputs: dict[str, Tensor] = {}

    @torch.inference_mode()
    def run(self, advance: Advance) -> None:
        """Fill :attr:`fixed` and :attr:`coefficients`.

        Raises:
            ProxyError: see :func:`zen_cost`.
        """
        space, chosen = self._space, _random_choices(self._space, self._generator)
        fixed = {node.name: node for node in space.fixed}
        decisions = {place: i for i, decision in enumerate(space.decisions) for place in decision.places}
        images = self._images()
        self._outputs = {INPUT: images}
        self.fixed = logarithm(mean_difference(images, "l1"), "Δ of the images") if self._telescopes else 0.0
        *order, _ = space.order  # the score is of what the classifier takes
        with _repeatable_building(self._generator):
            for done, name in enumerate(order, start=1):
                if name in fixed:
                    self._outputs[name], part = self._measure(fixed[name])
                    self.fixed += part
                else:
                    index = decisions[name]
                    self._compare(name, index, space.decisions[index].at(name), chosen[index])
                advance(done / len(order))
        self._outputs = {}

    def _images(self) -> Tensor:
        """x and x + γε: ``2B x C x H x W``."""
        x, noise = (normal_images(self._space.input, self._batch_size, self._generator) for _ in range(2))
        return torch.cat((x, x + GAMMA * noise))

    def _compare(self, name: str, index: int, nodes: Sequence[Node], chosen: int) -> None:
        for candidate, node in enumerate(nodes):
            output, part = self._measure(node)
            self.coefficients[index, candidate] += part
            if candidate == chosen:
                self._outputs[name] = output

    def _measure(self, node: Node) -> tuple[Tensor, float]:
        """The node's output, ``2B x C x H x W``, and z."""
        module = build(node.operator).train()
        remove_residuals(module)
        seen = pair_norms(module)
        draw_weights(module, self._generator)
        inputs = [self._outputs[name] for name in node.inputs]
        output: Tensor = module(*inputs)
        part = variance_term(seen, is_released=False)
        if self._telescopes:
            before, behind = (mean_difference(one, "l1") for one in (inputs[0], output))
            part += logarithm(behind / before, f"Δ behind {node.operator}")
        return output, finite(part, f"the score of {node.operator}")


def _random_choices(space: FactoredSpace, generator: torch.Generator) -> Code:
    """A code; of what gives a constant only where there is nothing else."""
    code = []
    for decision in space.decisions:
        seeing = [
            index
            for index, candidate in enumerate(decision.candidates)
            if not any(node.operator.is_constant for node in candidate.nodes)
        ] or [0]
        code.append(seeing[int(torch.randint(len(seeing), (), generator=generator))])
    return tuple(code)


@contextmanager
def _repeatable_building(generator: torch.Generator) -> Iterator[None]:
    """Modules draw from torch's global generator as they are built; behind the block it is as it was."""
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
