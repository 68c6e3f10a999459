"""``fbsearch export``: a trained network as a model file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fbsearch.cli.options import Json, Quiet, Set, written
from fbsearch.cli.printing import notify, print_json, show_progress

if TYPE_CHECKING:
    from fbsearch.export import Sidecar

EXAMPLES = (
    "Examples: fbsearch export RUN --to model.tflite; "
    "fbsearch export RUN --to RUN/model.tflite --precision int8; "
    "fbsearch export RUN --to RUN/model.tflite --precision int8 --finetune-epochs 3"
)


def export(
    source: Annotated[Path, typer.Argument(help="A run's folder, or a weights file within one.")],
    to: Annotated[Path, written("--to", help="The model: .tflite or .onnx.")],
    precision: Annotated[
        str, typer.Option("--precision", help="fp32, fp16, dynamic_int8 or int8; the file's name says it.")
    ] = "fp32",
    calibration_images: Annotated[
        int, typer.Option("--calibration-images", min=1, help="Training images that set int8's ranges.")
    ] = 128,
    finetune_epochs: Annotated[
        int,
        typer.Option(
            "--finetune-epochs", min=0, help="Of an integer model that loses over a point; 0: never."
        ),
    ] = 0,
    settings: Set = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Convert a trained network to TFLite or ONNX, with its preprocessing beside it.

    In another precision than fp32 the file is named by it: --to model.tflite --precision int8 writes
    model.int8.tflite. With --finetune-epochs, an integer model that loses more than a point of accuracy on
    the validation images is trained on with its rounding, and the better file is kept. --set takes settings
    of that, such as --set max_accuracy_drop=0.005.
    """
    from fbsearch.export import precision_path
    from fbsearch.pipeline.recipe import FinetuneSettings, checked_precision, settings_from
    from fbsearch.pipeline.stages.exporting import run_export

    chosen = checked_precision(precision)
    model = precision_path(to, chosen)
    given = [f"epochs={finetune_epochs}", *(settings or [])]
    sidecar = run_export(
        source,
        model,
        precision=chosen,
        calibration_images=calibration_images,
        finetune=settings_from(FinetuneSettings, given, source="fine-tuning"),
        progress=show_progress(quiet),
        notify=notify,
    )
    if as_json:
        _print_record(model, sidecar)
    else:
        notify(f"{model}: {sidecar.size_bytes / 1024:.0f} KiB in {sidecar.precision}")


def _print_record(model: Path, sidecar: Sidecar) -> None:
    print_json(
        {
            "model": str(model),
            "sha256": sidecar.sha256,
            "size_bytes": sidecar.size_bytes,
            "precision": sidecar.precision,
            "num_calibration_images": sidecar.num_calibration_images,
            "finetuning": None if sidecar.finetuning is None else asdict(sidecar.finetuning),
        }
    )
