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
    """An architecture, or what a function of a user's own makes.

    Args:
        network: a name, a file, a run folder, a structure string, or ``module:function``.
        resolution: of a structure string's images, or of a module's; other architectures have their own.
        num_classes: of a structure string; all others have their own.

    Raises:
        InvalidInputError: if there is no such network, or it has another size than was asked for.
    """
    if not is_function_name(network) or Path(network).exists():
        path = Path(network) / "architecture.json"
        source = str(path) if path.exists() else network
        return subject_of(load_architecture(source, resolution=resolution, num_classes=num_classes))
    image = Shape(_COLOURS, resolution or _USUAL_RESOLUTION)
    subject = subject_of_module(network, lambda: call_function(network), image)
    if num_classes not in (None, subject.num_classes):
        raise InvalidInputError(
            f"--num-classes {num_classes}: {network} has {subject.num_classes}; leave it out"
        )
    return subject
