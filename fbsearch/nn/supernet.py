"""The supernet: every candidate of every decision, mixed by a sample's weights (FBNet, Section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from fbsearch.architecture import INPUT, Node
from fbsearch.nn.blocks import build
from fbsearch.nn.network import Network, initialise
from fbsearch.nn.node_modules import NodeModules
from fbsearch.spaces import FactoredSpace


class MixedOperation(nn.Module):
    """All candidates of a decision at one place: x -> sum_i m_i b_i(x).

    The factors m_i are moved into the candidates' last norms, and what passes the input on shares one
    product (sum_i m_i) x, so that no ``B x C x H x W`` tensor is multiplied per candidate. Candidates that
    take different inputs each have their own.

    Args:
        nodes: what each candidate puts at this place.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        super().__init__()
        self.candidates = nn.ModuleList(build(node.operator) for node in nodes)
        self.inputs = [node.inputs[0] for node in nodes]
        self.is_identity = [node.operator.is_identity for node in nodes]

    def forward(self, outputs: Mapping[str, Tensor], weights: Tensor, path: int | None = None) -> Tensor:
        """The place's output: of all candidates, or of the one at ``path``.

        Args:
            outputs: of the nodes before, ``B x C x H x W`` each, by name.
            weights: ``M``, this decision's row of a sample.
            path: the only candidate to compute, or None for all.
        """
        chosen = range(len(self.candidates)) if path is None else (path,)
        branches: list[Tensor] = []
        passing: dict[str, list[int]] = {}
        for i in chosen:
            module, source = self.candidates[i], self.inputs[i]
            if not self.is_identity[i]:
                branches.append(_scaled(module, outputs[source], weights[i]))
            if self.is_identity[i] or getattr(module, "passes_input", False):
                passing.setdefault(source, []).append(i)
        branches += [outputs[source] * weights[indices].sum() for source, indices in passing.items()]
        return reduce(torch.add, branches)


def _scaled(candidate: nn.Module, x: Tensor, factor: Tensor) -> Tensor:
    """``factor`` times the candidate's output, without the input itself where that is part of it."""
    scaled_branch = getattr(candidate, "scaled_branch", None)
    scaled: Tensor = candidate(x) * factor if scaled_branch is None else scaled_branch(x, factor)
    return scaled


class Supernet(NodeModules):
    """The fixed nodes, and a mixed operation at every place of a decision; theta lives in the distribution.

    Args:
        space: what may be chosen.
    """

    def __init__(self, space: FactoredSpace) -> None:
        super().__init__()
        self.space = space
        self._fixed = {node.name: node for node in space.fixed}
        self._decisions = {
            place: index for index, decision in enumerate(space.decisions) for place in decision.places
        }
        for name in space.order:
            if name in self._fixed:
                self.add_node(name, build(self._fixed[name].operator))
            else:
                self.add_node(name, MixedOperation(space.decisions[self._decisions[name]].at(name)))
        initialise(self)

    def forward(self, x: Tensor, weights: Tensor, paths: Sequence[int] | None = None) -> Tensor:
        """Images to logits.

        Args:
            x: ``B x C x H x W``.
            weights: ``S x M``, a sample's.
            paths: the one candidate per decision that computes, or None for all.

        Returns:
            ``B x classes``.
        """
        outputs = {INPUT: x}
        for name in self.space.order:
            module, node = self.node(name), self._fixed.get(name)
            if node is not None:
                outputs[name] = module(*(outputs[one] for one in node.inputs))
            else:
                index = self._decisions[name]
                outputs[name] = module(outputs, weights[index], None if paths is None else paths[index])
        return outputs[self.space.order[-1]]

    def child(self, code: Sequence[int]) -> Network:
        """The network of ``code`` with a copy of its weights here."""
        network = Network(self.space.decode(code))
        for node in network.architecture.nodes:
            source = self.node(node.name)
            if isinstance(source, MixedOperation):
                source = source.candidates[code[self._decisions[node.name]]]
            network.node(node.name).load_state_dict(source.state_dict())
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
