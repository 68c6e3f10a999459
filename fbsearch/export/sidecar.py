"""What a model file does not say itself, as JSON beside it: how to feed it, and where it came from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import fbsearch
from fbsearch.errors import ExportError, UnreadableFileError
from fbsearch.files import read_json, sha256_of, write_json
from fbsearch.precision import PRECISIONS, Precision

Layout = Literal["NHWC", "NCHW"]

FORMAT = "fbsearch.model"
VERSION = 1


@dataclass(frozen=True)
class Preprocessing:
    """From an image to a model's input: scale the pixels to ``value_range``, then ``(x - mean) / std``.

    Args:
        resolution: height and width of the input in pixels.
        in_channels: 1 for grey images, 3 for red, green and blue.
        mean: per channel, of pixels scaled to ``value_range``.
        std: per channel, likewise.
        layout: the order of the input's dimensions.
        class_names: the classes in the order of the outputs.
        value_range: what pixels 0 and 255 are scaled to.

    Raises:
        ExportError: if the fields do not fit together.
    """

    resolution: int
    in_channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: Layout
    class_names: tuple[str, ...]
    value_range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.resolution < 1 or self.in_channels < 1:
            raise ExportError("preprocessing: resolution and in_channels must be at least 1")
        if not len(self.mean) == len(self.std) == self.in_channels or min(self.std) <= 0:
            raise ExportError("preprocessing: mean and a positive std are needed for each channel")
        if self.layout not in get_args(Layout):
            raise ExportError(f"preprocessing: layout must be NHWC or NCHW, not {self.layout!r}")


@dataclass(frozen=True)
class FineTuning:
    """What a fine-tuning with fake quantisation came to; accuracies are on the same validation images.

    Args:
        epochs: of the fine-tuning.
        fp32_accuracy: of the trained network, in fp32.
        before: of the file made from it.
        after: of the file made from the fine-tuned network.
        num_samples: validation images.
        is_kept: whether the second file is the better one, and so the model; else the first is.
        weights: of the fine-tuned network, beside the model, as a relative path.
        weights_sha256: of that file.
    """

    epochs: int
    fp32_accuracy: float
    before: float
    after: float
    num_samples: int
    is_kept: bool
    weights: str
    weights_sha256: str


@dataclass(frozen=True)
class Sidecar:
    """The content of a model's sidecar.

    Args:
        architecture: name of the network's architecture.
        preprocessing: how to feed the model.
        sha256: of the model file.
        fbsearch_version: version that exported it.
        precision: of the model; its inputs and outputs are float32 in any.
        size_bytes: of the model file.
        num_calibration_images: training images that set the ranges of int8's activations.
        finetuning: None where there was none.
    """

    architecture: str
    preprocessing: Preprocessing
    sha256: str
    fbsearch_version: str
    precision: Precision
    size_bytes: int
    num_calibration_images: int
    finetuning: FineTuning | None = None


def sidecar_path(model: Path) -> Path:
    """Where a model's sidecar lies.

    >>> sidecar_path(Path("model.tflite")).name
    'model.tflite.json'
    """
    return model.with_name(model.name + ".json")


def write_sidecar(
    model: Path,
    preprocessing: Preprocessing,
    *,
    architecture: str,
    precision: Precision = "fp32",
    num_calibration_images: int = 0,
    finetuning: FineTuning | None = None,
) -> Sidecar:
    """Write the sidecar of an existing model file beside it, atomically.

    Raises:
        ExportError: if the model cannot be read or the sidecar cannot be written.
    """
    try:
        sidecar = Sidecar(
            architecture,
            preprocessing,
            sha256_of(model),
            fbsearch.__version__,
            precision,
            model.stat().st_size,
            num_calibration_images,
            finetuning,
        )
        write_json(sidecar_path(model), {"format": FORMAT, "version": VERSION, **asdict(sidecar)})
    except (OSError, UnreadableFileError) as error:
        raise ExportError(f"{sidecar_path(model)}: cannot write the model's sidecar: {error}") from error
    return sidecar


def read_sidecar(model: Path) -> Sidecar:
    """The sidecar of a model file, checked to be this very file's.

    Raises:
        ExportError: if there is none, it does not parse, or the model has changed since.
    """
    path = sidecar_path(model)
    try:
        data, sha256 = read_json(path), sha256_of(model)
    except UnreadableFileError as error:
        raise ExportError(
            f"{model}: cannot read the model with its sidecar {path.name} ({error}); "
            "both come from 'fbsearch export'"
        ) from error
    sidecar = _parse(data, path, model)
    if sidecar.sha256 != sha256:
        raise ExportError(f"{model}: is not the file that {path.name} describes; export the model again")
    return sidecar


def _parse(data: Any, path: Path, model: Path) -> Sidecar:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ExportError(f"{path}: not a model's sidecar: 'format' must be {FORMAT!r}")
    if data.get("version") != VERSION:
        raise ExportError(
            f"{path}: sidecar of version {data.get('version')!r}; this fbsearch reads {VERSION}"
        )
    try:
        fields = data["preprocessing"]
        return Sidecar(
            architecture=str(data["architecture"]),
            preprocessing=Preprocessing(
                resolution=int(fields["resolution"]),
                in_channels=int(fields["in_channels"]),
                mean=tuple(map(_number, fields["mean"])),
                std=tuple(map(_number, fields["std"])),
                layout=fields["layout"],
                class_names=tuple(map(str, fields["class_names"])),
                value_range=(_number(fields["value_range"][0]), _number(fields["value_range"][1])),
            ),
            sha256=str(data["sha256"]),
            fbsearch_version=str(data["fbsearch_version"]),
            # Sidecars of fbsearch before it knew precisions lack these.
            precision=_precision(data.get("precision", "fp32")),
            size_bytes=int(data.get("size_bytes", model.stat().st_size)),
            num_calibration_images=int(data.get("num_calibration_images", 0)),
            finetuning=parse_finetuning(data.get("finetuning")),
        )
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ExportError(f"{path}: the sidecar is damaged ({error!r}); export the model again") from error


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"number {value!r}")
    return number


def _precision(name: Any) -> Precision:
    for precision in PRECISIONS:
        if name == precision:
            return precision
    raise ValueError(f"precision {name!r}")


def parse_finetuning(fields: Any) -> FineTuning | None:
    """What a sidecar or a verification tells of a fine-tuning.

    Raises:
        KeyError, TypeError, ValueError: if a field is missing or damaged.
    """
    if fields is None:
        return None
    return FineTuning(
        epochs=int(fields["epochs"]),
        fp32_accuracy=_number(fields["fp32_accuracy"]),
        before=_number(fields["before"]),
        after=_number(fields["after"]),
        num_samples=int(fields["num_samples"]),
        is_kept=bool(fields["is_kept"]),
        weights=str(fields["weights"]),
        weights_sha256=str(fields["weights_sha256"]),
    )
