"""The supernet: every candidate of every slot, mixed by a sample's weights (FBNet, Section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from fbsearch.nn.blocks import ConvNorm, MBConv, build
from fbsearch.nn.network import Network, initialise
from fbsearch.spaces import LayerwiseSpace, Slot


class MixedOperation(nn.Module):
    """All candidates of a slot: x -> sum_i m_i b_i(x).

    The factors m_i are moved into the candidates' last norms, and the residual branches share one
    product (sum_i m_i) x, so that no ``B x C x H x W`` tensor is multiplied per candidate.
    """

    def __init__(self, slot: Slot) -> None:
        super().__init__()
        self.candidates = nn.ModuleList(map(build, slot.candidates))
        self.passes_input = [op.is_identity or op.has_residual for op in slot.candidates]

    def forward(self, x: Tensor, weights: Tensor, path: int | None = None) -> Tensor:
        """``B x Cin x H x W`` to the slot's output; all candidates, or the one at ``path``.

        Args:
            weights: ``C``, this slot's row of a sample.
            path: the only candidate to compute, or None for all.
        """
        chosen = range(len(self.candidates)) if path is None else (path,)
        outputs = [
            _scaled(self.candidates[i], x, weights[i])
            for i in chosen
            if not isinstance(self.candidates[i], nn.Identity)
        ]
        passing = [i for i in chosen if self.passes_input[i]]
        if passing:
            outputs.append(x * weights[passing].sum())
        return reduce(torch.add, outputs)


def _scaled(candidate: nn.Module, x: Tensor, factor: Tensor) -> Tensor:
    """``factor`` times the candidate's output without its residual."""
    if isinstance(candidate, MBConv):
        return candidate.scaled_branch(x, factor)
    if isinstance(candidate, ConvNorm) and candidate.is_linear:
        return candidate.scaled(x, factor)
    return candidate(x) * factor  # type: ignore[no-any-return]  # nn.Module returns Any


class Supernet(nn.Module):
    """Stem, one mixed operation per slot, head; weights only: theta lives in the distribution.

    Args:
        space: what may be chosen.
    """

    def __init__(self, space: LayerwiseSpace) -> None:
        super().__init__()
        self.space = space
        self.stem = nn.Sequential(*map(build, space.stem))
        self.slots = nn.ModuleList(map(MixedOperation, space.slots))
        self.head = nn.Sequential(*map(build, space.head))
        initialise(self)

    def forward(self, x: Tensor, weights: Tensor, paths: Sequence[int] | None = None) -> Tensor:
        """Images to logits.

        Args:
            x: ``B x C x H x W``.
            weights: ``S x C``, a sample's.
            paths: the one candidate per slot that computes, or None for all.

        Returns:
            ``B x classes``.
        """
        x = self.stem(x)
        for index, slot in enumerate(self.slots):
            x = slot(x, weights[index], None if paths is None else paths[index])
        return self.head(x)  # type: ignore[no-any-return]  # nn.Module returns Any

    def child(self, choices: Sequence[int]) -> Network:
        """The network of ``choices`` with a copy of its weights here."""
        network = Network(self.space.decode(choices))
        network.stem.load_state_dict(self.stem.state_dict())
        network.head.load_state_dict(self.head.state_dict())
        for layer, slot, choice in zip(network.layers, self.slots, choices, strict=True):
            assert isinstance(slot, MixedOperation)
            layer.load_state_dict(slot.candidates[choice].state_dict())
        return network


@torch.no_grad()
def recalibrate_norms(network: nn.Module, batches: Sequence[Tensor]) -> None:
    """Replace the batch norms' running statistics by the plain average over ``batches``.

    A supernet's norms have seen mixtures of candidates; a child's inputs differ, so that without
    this its validation accuracy says nothing (as Yu and Huang, 2019, for slimmable networks).
    """
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    was_training = network.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
    network.train()
    for batch in batches:
        network(batch)
    network.train(was_training)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
