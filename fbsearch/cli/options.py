"""The options that several commands share, and the fields that they make together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

SpaceFields = Mapping[str, int | float | None]
"""What replaces fields of a space's definition; None leaves a field alone."""


def written(*names: str, help: str) -> Any:  # as typer calls it
    """An option that names what a command writes; an empty name would be the working folder's."""
    return typer.Option(*names, parser=_written_path, metavar="PATH", help=help)


def _written_path(text: str) -> Path:
    if not text.strip():
        raise typer.BadParameter("it is empty: name a file or a folder, '.' for the working folder")
    return Path(text)


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Out = Annotated[Path, written("--out", "-o", help="Folder of the run.")]
RunOut = Annotated[
    Path | None, written("--out", "-o", help="Folder of the run; left out where it is the recipe.")
]
DeviceName = Annotated[
    str, typer.Option("--device", help="'local', a device of devices/*.yaml, adb:SERIAL or HOST:PORT.")
]
DeviceNames = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        help="'local', a device of devices/*.yaml, adb:SERIAL or HOST:PORT; repeatable for phones.",
    ),
]
Keep = Annotated[bool, typer.Option("--keep", help="Leave our folder on the phone at the end.")]
Runtime = Annotated[
    str | None,
    typer.Option("--runtime", help="tflite or onnxruntime; by default as the device file says."),
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Of the runtime; by default as the device file says.")
]
PrecisionName = Annotated[
    str | None,
    typer.Option("--precision", help="fp32, fp16, dynamic_int8 or int8; by default as the device file says."),
]
Method = Annotated[
    str,
    typer.Option("--method", help="How to search: dnas (FBNet's differentiable search), zen or random."),
]
RunMethod = Annotated[
    str | None,
    typer.Option(
        "--method", help="dnas, zen or random, in place of the recipe's, with that method's defaults."
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an interrupted command stopped.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Replace a setting; may be repeated.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")]
Data = Annotated[
    str,
    typer.Option("--data", help="'digits', a folder or zip of class folders, or CIFAR-10's binary files."),
]
OptionalData = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="'digits', a folder or zip of class folders, or CIFAR-10's binary files; zen needs none.",
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many images per split.")]
SkipCorrupt = Annotated[bool, typer.Option("--skip-corrupt", help="Leave out images that cannot be read.")]
Space = Annotated[
    str, typer.Option("--space", help="A preset (such as fbnet, digits, darts) or a YAML file.")
]
Resolution = Annotated[int | None, typer.Option("--resolution", min=1, help="Another input size in pixels.")]
NumClasses = Annotated[int | None, typer.Option("--num-classes", min=2, help="Another number of classes.")]
WidthMultiplier = Annotated[float | None, typer.Option("--width-multiplier", help="Scale the channels.")]
HeadChannels = Annotated[
    int | None, typer.Option("--head-channels", min=0, help="Another width of the head.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and how long it may take.")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="Conversions side by side.")]
Networks = Annotated[int, typer.Option("--networks", "-n", min=1, help="Whole networks to measure.")]
TableFile = Annotated[Path, typer.Argument(help="The table.")]
TableDevice = Annotated[
    str | None, typer.Option("--device", help="Where to measure; by default the table's device, by its name.")
]
TableSpace = Annotated[
    str | None,
    typer.Option("--space", help="The table's space; by default its run's, or a preset by its name."),
]


def space_fields(
    resolution: int | None,
    num_classes: int | None,
    width_multiplier: float | None,
    head_channels: int | None,
) -> SpaceFields:
    """The options that replace fields of a space's definition."""
    return {
        "resolution": resolution,
        "num_classes": num_classes,
        "width_multiplier": width_multiplier,
        "head_channels": head_channels,
    }


def data_fields(source: str, limit: int | None, skip_corrupt: bool) -> dict[str, object]:
    """Which images, as a recipe says it."""
    return {"source": source, "limit": limit, "skip_corrupt": skip_corrupt}


def override_fields(**fields: object) -> list[str]:
    """Options that stand for settings, as ``NAME=VALUE``; None for those that are not given."""
    return [f"{name}={value}" for name, value in fields.items() if value is not None]
