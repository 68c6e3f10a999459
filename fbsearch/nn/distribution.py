"""The distribution over a space's architectures, and its relaxed samples.

Slots are independent categoricals P_{l,i} = softmax_i(theta_l). A sample is relaxed by the
Gumbel-softmax (concrete) distribution, m_{l,i} = softmax_i((theta_{l,i} + g_{l,i}) / tau), g ~ Gumbel(0, 1)
(FBNet, Wu et al., 2019, Equations 5 and 6; Jang et al., 2017; Maddison et al., 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from fbsearch.spaces import FactoredSpace

SamplingMode = Literal["soft", "hard", "sampled"]


@dataclass(frozen=True)
class ArchitectureSample:
    """One relaxed architecture.

    Args:
        weights: ``S x C``, differentiable in theta; rows sum to 1 and padded candidates are 0.
        paths: the one candidate per slot that computes, or None where all do.
    """

    weights: Tensor
    paths: tuple[int, ...] | None


class ArchitectureDistribution(nn.Module):
    """Independent categoricals over the candidates of each slot, uniform at first.

    Args:
        num_candidates: candidates per slot; slots with fewer than the most are padded.
    """

    mask: Tensor

    def __init__(self, num_candidates: Sequence[int]) -> None:
        super().__init__()
        counts = torch.tensor(list(num_candidates))
        self.register_buffer(
            "mask", torch.arange(int(counts.max()))[None] < counts[:, None], persistent=False
        )
        self.logits = nn.Parameter(torch.zeros(self.mask.shape))

    @staticmethod
    def of(space: FactoredSpace) -> ArchitectureDistribution:
        """The uniform distribution over ``space``."""
        return ArchitectureDistribution([len(decision.candidates) for decision in space.decisions])

    def log_probabilities(self) -> Tensor:
        """``S x C``: log P; padded candidates have -inf."""
        return self.logits.masked_fill(~self.mask, -torch.inf).log_softmax(dim=1)

    def probabilities(self) -> Tensor:
        """``S x C``: P; padded candidates have 0."""
        return self.logits.masked_fill(~self.mask, -torch.inf).softmax(dim=1)

    def entropy(self) -> Tensor:
        """Mean entropy of the slots in nats, a scalar."""
        log_p = self.log_probabilities()
        return -(log_p.exp() * log_p.masked_fill(~self.mask, 0.0)).sum(1).mean()

    def sample(
        self, *, temperature: float, mode: SamplingMode, generator: torch.Generator
    ) -> ArchitectureSample:
        """A relaxed sample.

        ``soft`` gives m itself. ``hard`` gives the one-hot of m's largest entry and passes gradients to m
        (straight-through). ``sampled`` gives the same weights and names the paths, so that only they
        compute (as GDAS, Dong and Yang, 2019): theta then learns from the sampled candidates alone.

        Args:
            temperature: tau, above 0.
            mode: see above.
            generator: a CPU generator; the noise is drawn there, so that devices agree.
        """
        noise = -torch.empty(self.logits.shape).exponential_(generator=generator).log()
        perturbed = (self.logits + noise.to(self.logits)).masked_fill(~self.mask, -torch.inf)
        soft = (perturbed / temperature).softmax(dim=1)
        if mode == "soft":
            return ArchitectureSample(soft, None)
        chosen = perturbed.argmax(dim=1)
        one_hot = torch.zeros_like(soft).scatter_(1, chosen[:, None], 1.0)
        weights = one_hot + (soft - soft.detach())  # in this order the value is exactly one-hot
        return ArchitectureSample(weights, tuple(chosen.tolist()) if mode == "sampled" else None)

    def one_hot(self, choices: Sequence[int]) -> Tensor:
        """``S x C``: the weights that pick ``choices``."""
        index = torch.tensor(list(choices), device=self.logits.device)
        return torch.zeros_like(self.logits).scatter_(1, index[:, None], 1.0)
