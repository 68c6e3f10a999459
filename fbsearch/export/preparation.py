"""What both converters are given: a copy of the module for inference, with its norms folded."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fbsearch.errors import ExportError
from fbsearch.export.constants import computing_part
from fbsearch.nn import ConvNorm, Network


def prepared_copy(module: nn.Module) -> nn.Module:
    """A copy of ``module`` on the CPU, in evaluation mode, contiguous, with batch norms and constants folded.

    Both converters fold the norms themselves, but only after tracing each norm's dozen operations
    several times over: without them a block converts a fifth to a third faster, and so does a network.
    """
    prepared: nn.Module = copy.deepcopy(module).cpu().eval().requires_grad_(False)
    for parameter in prepared.parameters():
        parameter.data = parameter.data.contiguous()  # the network may have been trained in channels_last
    for part in prepared.modules():
        if _is_chain(part):
            _fold_norms(part)
    return computing_part(prepared) if isinstance(prepared, Network) else prepared


def _is_chain(part: nn.Module) -> TypeGuard[nn.Sequential]:
    """Whether a module runs its children in turn; one with a forward of its own may not."""
    return isinstance(part, ConvNorm) or (
        isinstance(part, nn.Sequential) and type(part).forward is nn.Sequential.forward
    )


def _fold_norms(chain: nn.Sequential) -> None:
    for (conv_name, conv), (norm_name, norm) in itertools.pairwise(list(chain.named_children())):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats:
            setattr(chain, conv_name, fuse_conv_bn_eval(conv, norm))
            setattr(chain, norm_name, nn.Identity())


def example_output(
    module: nn.Module, input_shapes: Sequence[tuple[int, ...]]
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Inputs ``1 x C x H x W`` and what ``module`` makes of them.

    Raises:
        ExportError: if the module does not take such inputs or returns anything but one tensor.
    """
    generator = torch.Generator().manual_seed(0)
    examples = tuple(torch.randn(1, *shape, generator=generator) for shape in input_shapes)
    try:
        with torch.no_grad():
            output = module(*examples)
    except (RuntimeError, ValueError, TypeError) as error:
        shape = " and ".join(" x ".join(map(str, one)) for one in input_shapes)
        raise ExportError(
            f"the network does not run on an input of {shape} (C x H x W): {one_line(error)}"
        ) from error
    if not isinstance(output, Tensor):
        raise ExportError(
            f"only networks with one output tensor can be converted; this one returns {type(output)}"
        )
    return examples, output


def one_line(error: BaseException) -> str:
    """An error's message on one line, at most 300 characters long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


@contextmanager
def conversion_errors(model_format: str) -> Iterator[None]:
    """Turns whatever a converter raises into an :class:`ExportError`."""
    try:
        yield
    except ExportError:
        raise
    except OSError as error:
        raise ExportError(f"the {model_format} file cannot be written: {one_line(error)}") from error
    except Exception as error:  # the converters' errors share no base
        raise ExportError(f"cannot be converted to {model_format}: {one_line(error)}") from error
