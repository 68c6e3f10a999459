"""From what a person calls a teacher to the teacher: one way for each kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from fbsearch.errors import InvalidInputError
from fbsearch.export.sidecar import read_sidecar, sidecar_path
from fbsearch.files import sha256_of
from fbsearch.nn import Network, load_network
from fbsearch.nn.named_function import call_function, find_function, is_function_name
from fbsearch.records import InputRecord, RunPaths, read_record, require
from fbsearch.train.acceleration import seeded
from fbsearch.train.digest import digest_of
from fbsearch.train.distillation.images import ImageFormat
from fbsearch.train.distillation.lesson import FoundTeacher
from fbsearch.train.distillation.module_teacher import ModuleTeacher
from fbsearch.train.distillation.onnx_teacher import OnnxTeacher
from fbsearch.train.distillation.torchscript_teacher import load_script
from fbsearch.train.settings import TrainSettings

_SCRIPTS = (".pt", ".pth", ".ts", ".torchscript")


def find_teacher(name: str) -> FoundTeacher:
    """The teacher of a name.

    Raises:
        InvalidInputError: if there is none, or it cannot be read.
        CheckpointError, ArchitectureError: if a run's folder lacks files, or they are damaged.
        DependencyError: if it needs a package that is missing.
    """
    return _way_to(name)(name)


def check_teacher(settings: TrainSettings) -> None:
    """Refuse, before any work, a training's teacher behind whose name there is nothing.

    Raises:
        InvalidInputError, CheckpointError: as :func:`find_teacher`, as far as can be seen without loading it.
    """
    if settings.distillation is None:
        return
    name = settings.distillation.teacher
    way = _way_to(name)
    if way is _find_made:
        find_function(name)
    elif way is _find_trained:
        require(RunPaths(Path(name)).weights, "fbsearch train")


def _way_to(name: str) -> Callable[[str], FoundTeacher]:
    path = Path(name).expanduser()
    if path.is_dir():
        return _find_trained
    if path.exists():
        if path.suffix == ".onnx":
            return _find_onnx
        if path.suffix in _SCRIPTS:
            return _find_script
        raise InvalidInputError(
            f"teacher {name}: a file of another kind than .onnx and, of TorchScript, {', '.join(_SCRIPTS)}"
        )
    if is_function_name(name):
        return _find_made
    raise InvalidInputError(
        f"teacher {name!r}: no run folder, no TorchScript or ONNX file, and no module:function"
    )


def _find_made(name: str) -> FoundTeacher:
    """What a function returns: a module, or a module and the images that it takes."""
    with seeded(0):  # one of random weights is the same each time
        made = call_function(name)
    module, stated = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, nn.Module) or not isinstance(stated, (ImageFormat, type(None))):
        raise InvalidInputError(
            f"teacher {name}: the function returns a {type(made).__name__}; a torch.nn.Module is needed, "
            "alone or with its ImageFormat"
        )
    fingerprint = digest_of(*module.state_dict().values())
    return FoundTeacher(name, ModuleTeacher(module, name), fingerprint, stated)


def _find_trained(name: str) -> FoundTeacher:
    """A run of the project: its network, on the images that it was trained on."""
    paths = RunPaths(Path(name).expanduser())
    weights = require(paths.weights, "fbsearch train")
    network = load_network(require(paths.architecture, "fbsearch train"), weights)
    inputs = read_record(paths.inputs, InputRecord)
    stated = ImageFormat(inputs.resolution, inputs.mean, inputs.std)
    model = ModuleTeacher(_ShowingFeatures(network), name)
    fingerprint = sha256_of(weights)
    return FoundTeacher(name, model, fingerprint, stated, class_names=inputs.class_names)


def _find_script(name: str) -> FoundTeacher:
    path = Path(name).expanduser()
    return FoundTeacher(name, ModuleTeacher(load_script(path), name), sha256_of(path))


def _find_onnx(name: str) -> FoundTeacher:
    path = Path(name).expanduser()
    model, fingerprint = OnnxTeacher(path), sha256_of(path)
    if not sidecar_path(path).exists():
        return FoundTeacher(name, model, fingerprint, resolution=model.resolution)
    fed = read_sidecar(path).preprocessing
    if fed.layout != "NCHW" or fed.value_range != (0.0, 1.0):
        raise InvalidInputError(
            f"teacher {name}: takes {fed.layout} images of {fed.value_range}, not NCHW of (0, 1)"
        )
    stated = ImageFormat(fed.resolution, fed.mean, fed.std)
    return FoundTeacher(name, model, fingerprint, stated, class_names=fed.class_names)


class _ShowingFeatures(nn.Module):
    """A network of ours that also shows what its last node takes, where that is a map."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits, and the feature map."""
        features, logits = self.network.with_features(images)
        return logits, features if features.dim() == 4 else None
