"""What is scored: a network that can be made, with the shape of its images."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from fbsearch.architecture import Architecture, Shape
from fbsearch.nn import Network


@dataclass(frozen=True)
class Subject:
    """A network without weights: each score draws its own.

    Args:
        name: how people call it.
        make: gives a module, images ``B x C x H x W`` to scores ``B x classes``.
        input: shape of an image.
        num_classes: number of classes.
        architecture: what the module was built from; None for a module of a user's own.
    """

    name: str
    make: Callable[[], nn.Module]
    input: Shape
    num_classes: int
    architecture: Architecture | None = None


def subject_of(architecture: Architecture) -> Subject:
    """An architecture, to be scored."""
    return Subject(
        name=architecture.name,
        make=lambda: Network(architecture),
        input=architecture.input,
        num_classes=architecture.num_classes,
        architecture=architecture,
    )


def initialised(subject: Subject, generator: torch.Generator) -> nn.Module:
    """A new module as it would begin its training: with the initial weights of its own making.

    Args:
        subject: whose ``make`` may draw from torch's global generator, which is left as it was.
        generator: decides on the weights, and on the device.
    """
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = subject.make()
    if subject.architecture is None:
        module = copy.deepcopy(module)  # whoever made it may give the same one each time
    module.to(generator.device).train()
    for part in module.modules():
        if isinstance(part, _DropoutNd):
            part.eval()  # no score asks for its noise
    return module
