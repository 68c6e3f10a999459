"""A torch module as a teacher."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fbsearch.errors import InvalidInputError
from fbsearch.train.distillation.lesson import Lesson


class ModuleTeacher:
    """A torch module, asked without gradients.

    It may return the logits alone; the feature map is then the last output of any part of it that is a map
    larger than one pixel, which is what goes into the global pooling. Or it returns two tensors, logits and
    feature map.

    Args:
        module: ``B x C x R x R`` images to logits ``B x K``, or to logits and a feature map.
        name: how people call it.
    """

    def __init__(self, module: nn.Module, name: str) -> None:
        self._module = module.eval()
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        self._name = name
        self._seen: Tensor | None = None
        for part in _hooked(module):
            part.register_forward_hook(self._look)

    def to(self, device: torch.device) -> None:
        """Move the module."""
        self._module.to(device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Lesson:
        """Logits and, where there is one, the feature map.

        Raises:
            InvalidInputError: if the module does not take the images, or returns something else.
        """
        self._seen = None
        try:
            output = self._module(images)
        except Exception as error:  # whatever a user's module raises
            reason = " ".join(str(error).split())[-200:]
            raise InvalidInputError(
                f"teacher {self._name} does not take images of shape {tuple(images.shape[1:])}: "
                f"{type(error).__name__}: {reason}; set the resolution, mean and std of its images"
            ) from error
        seen, self._seen = self._seen, None
        return lesson_of(output, self._name) if _is_pair(output) else lesson_of((output, seen), self._name)

    def _look(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and max(output.shape[2:]) > 1:
            self._seen = output


def lesson_of(output: Any, name: str) -> Lesson:
    """A pair of outputs as a lesson.

    Raises:
        InvalidInputError: if they are no logits and no feature map.
    """
    logits, features = output
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        raise InvalidInputError(
            f"teacher {name}: its output is {_described(logits)}; class scores B x K are needed"
        )
    if features is not None and (not isinstance(features, Tensor) or features.dim() != 4):
        raise InvalidInputError(
            f"teacher {name}: its second output is {_described(features)}; a map B x C x H x W is needed"
        )
    return Lesson(logits.float(), None if features is None else features.float())


def _is_pair(output: Any) -> bool:
    return isinstance(output, (tuple, list)) and len(output) == 2


def _hooked(module: nn.Module) -> list[nn.Module]:
    """The parts that can be looked at: those of a compiled program run out of Python's sight."""
    if isinstance(module, torch.jit.ScriptModule):
        return []
    return [part for part in module.modules() if not isinstance(part, torch.jit.ScriptModule)]


def _described(value: Any) -> str:
    return (
        f"a tensor of shape {tuple(value.shape)}"
        if isinstance(value, Tensor)
        else f"a {type(value).__name__}"
    )
