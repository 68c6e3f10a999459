"""Networks that this project did not make, as subjects."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fbsearch.architecture import Shape
from fbsearch.errors import InvalidInputError
from fbsearch.proxies.subject import Subject


def subject_of_module(name: str, make: Callable[[], nn.Module], image: Shape) -> Subject:
    """Any module that scores images, to be scored itself.

    >>> from torch import nn
    >>> head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)]
    >>> make = lambda: nn.Sequential(nn.Conv2d(3, 8, 3), *head)
    >>> subject_of_module("mine", make, Shape(3, 16)).num_classes
    5

    Args:
        name: how people call it.
        make: gives the module; what it gives is left as it is.
        image: shape of an image.

    Raises:
        InvalidInputError: if it makes no module, or one that does not give class scores for such images.
    """
    module = make()
    if not isinstance(module, nn.Module):
        raise InvalidInputError(f"{name} gives a {type(module).__name__}; it must return a torch.nn.Module")
    scores = _scores(name, module, torch.zeros((2, *image.dimensions)))
    return Subject(name=name, make=make, input=image, num_classes=scores.shape[1])


def _scores(name: str, module: nn.Module, images: Tensor) -> Tensor:
    try:
        with torch.no_grad():
            scores = module.eval()(images)
    except Exception as error:  # whatever a user's module raises
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        shape = " x ".join(map(str, images.shape))
        raise InvalidInputError(f"{name} does not take images {shape}: {reason}") from error
    if not isinstance(scores, Tensor) or scores.ndim != 2 or scores.shape[0] != images.shape[0]:
        given = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise InvalidInputError(f"{name} gives {given}; it must give class scores, images x classes")
    return scores
