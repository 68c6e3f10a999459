"""The network that an argument names, to be scored."""

from __future__ import annotations

from pathlib import Path

from fbsearch.architecture import Shape
from fbsearch.errors import InvalidInputError
from fbsearch.nn.named_function import call_function, is_function_name
from fbsearch.proxies import Subject, subject_of, subject_of_module
from fbsearch.spaces import load_architecture

_USUAL_RESOLUTION = 224
_COLOURS = 3


def find_subject(network: str, *, resolution: int | None, num_classes: int | None) -> Subject:
    """An architecture's name, file or run folder, or a function of a user's own that makes a module.

    Args:
        network: which.
        resolution: of a module's images; an architecture has its own.
        num_classes: likewise.

    Raises:
        InvalidInputError: if there is no such network, or it has another size than was asked for.
    """
    if is_function_name(network) and not Path(network).exists():
        image = Shape(_COLOURS, resolution or _USUAL_RESOLUTION)
        subject = subject_of_module(network, lambda: call_function(network), image)
    else:
        path = Path(network) / "architecture.json"
        subject = subject_of(load_architecture(str(path) if path.exists() else network))
    _check_size(subject, resolution=resolution, num_classes=num_classes)
    return subject


def _check_size(subject: Subject, *, resolution: int | None, num_classes: int | None) -> None:
    if resolution not in (None, subject.input.resolution):
        raise InvalidInputError(
            f"--resolution {resolution}: {subject.name} is one of {subject.input.resolution} px; leave it out"
        )
    if num_classes not in (None, subject.num_classes):
        raise InvalidInputError(
            f"--num-classes {num_classes}: {subject.name} has {subject.num_classes}; leave it out"
        )
