"""The commands and their options. Each imports what it needs when it runs, so that --help answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fbsearch.cli.options import (
    Data,
    DeviceName,
    DeviceNames,
    DryRun,
    HeadChannels,
    Jobs,
    Json,
    Keep,
    Limit,
    Method,
    Networks,
    NumClasses,
    Out,
    PrecisionName,
    Quiet,
    Resolution,
    Resume,
    RunMethod,
    Runtime,
    Seed,
    Set,
    SkipCorrupt,
    Space,
    TableDevice,
    TableSpace,
    Threads,
    WidthMultiplier,
    data_fields,
    space_fields,
)
from fbsearch.cli.phones import devices_app
from fbsearch.cli.table_commands import table_app

app = typer.Typer(
    name="fbsearch",
    help="Find the best vision model that keeps a latency budget on your own device, and prove it there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="--debug with any command shows the traceback of an error.",
)

app.add_typer(table_app, name="table")
app.add_typer(devices_app, name="devices")


@app.command(
    epilog="Examples: fbsearch describe fbnet_a --json; fbsearch describe fbnet; "
    "fbsearch describe a.json --table t.json"
)
def describe(
    subject: Annotated[str, typer.Argument(help="An architecture (name, JSON file, run folder) or a space.")],
    table: Annotated[Path | None, typer.Option("--table", help="Add latencies of this table.")] = None,
    as_json: Json = False,
) -> None:
    """Count an architecture's parameters, multiply-adds and memory; or a space's size and ranges."""
    from fbsearch.cli.describing import show_description

    show_description(subject, table, as_json=as_json)


@app.command(
    epilog="Examples: fbsearch profile --space fbnet --device local --threads 1 --out T.json; "
    "fbsearch profile --space fbnet --device pixel7 --device galaxy_s22 --out tables/"
)
def profile(
    space: Space,
    device: DeviceNames = None,
    runtime: Runtime = None,
    threads: Threads = None,
    precision: PrecisionName = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The table, or a folder for several; by default latency_tables/….json"
        ),
    ] = None,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    width_multiplier: WidthMultiplier = None,
    head_channels: HeadChannels = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    calibrate: Annotated[
        int,
        typer.Option(
            "--calibrate", min=0, help="Then measure so many whole networks and calibrate with them."
        ),
    ] = 0,
    settings: Set = None,
    keep: Keep = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure every operator of a space on a device, into a latency table.

    Interrupted, the same command goes on where it stopped. --set takes settings of the measurement protocol,
    such as --set max_rounds=40. Several phones are measured at once, a table each; one that fails does not
    stop the others, and the exit code is 2.
    """
    from fbsearch.cli.stages import profile_space

    profile_space(
        space,
        space_fields(resolution, num_classes, width_multiplier, head_channels),
        device_names=device or ["local"],
        runtime=runtime,
        threads=threads,
        precision=precision,
        out=out,
        seed=seed,
        jobs=jobs,
        num_networks=calibrate,
        overrides=settings or [],
        keep=keep,
        dry_run=dry_run,
        quiet=quiet,
        as_json=as_json,
    )


@app.command(epilog="Example: fbsearch calibrate T.json --networks 36 --seed 0")
def calibrate(
    table: Annotated[Path, typer.Argument(help="The table; it is replaced when all is measured.")],
    networks: Networks = 36,
    device: TableDevice = None,
    space: TableSpace = None,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    width_multiplier: WidthMultiplier = None,
    head_channels: HeadChannels = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    settings: Set = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure whole networks and calibrate a table with them, so that its sums are those of networks.

    Interrupted, the same command goes on where it stopped. --set takes settings of the measurement protocol.
    """
    from fbsearch.cli.tables import calibrate_file

    calibrate_file(
        table,
        {"source": space, **space_fields(resolution, num_classes, width_multiplier, head_channels)},
        device_name=device,
        num_networks=networks,
        seed=seed,
        jobs=jobs,
        overrides=settings or [],
        dry_run=dry_run,
        quiet=quiet,
        as_json=as_json,
    )


@app.command(
    epilog="Examples: fbsearch search --space fbnet --table T.json --data DIR --budget-ms 5 --out RUN; "
    "fbsearch search --space fbnet --table phone.json --budget-ms 8 --table tablet.json --budget-ms 5 "
    "--max-file-size 10MB --data DIR --out RUN; "
    "fbsearch search --space fbnet --method random --table T.json --budget-ms 5 --data DIR --out RUN; "
    "fbsearch search --space fbnet --table T.json --data DIR --budgets 5,8,12ms --out SWEEP"
)
def search(
    space: Space,
    table: Annotated[
        list[Path],
        typer.Option("--table", help="The latency table of the space; repeatable, one per device."),
    ],
    data: Data,
    out: Out,
    method: Method = "dnas",
    budget_ms: Annotated[
        list[float] | None,
        typer.Option("--budget-ms", help="Latency budget in milliseconds; repeatable, one per table."),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option("--budgets", help="Instead, several latency budgets of one search, such as 5,8,12ms."),
    ] = None,
    max_params: Annotated[
        str | None, typer.Option("--max-params", help="Budget on parameters, such as 1.2M.")
    ] = None,
    max_macs: Annotated[
        str | None, typer.Option("--max-macs", help="Budget on multiply-adds, such as 300M.")
    ] = None,
    max_peak_memory: Annotated[
        str | None,
        typer.Option("--max-peak-memory", help="Budget on activations alive at once, such as 4MB."),
    ] = None,
    max_file_size: Annotated[
        str | None, typer.Option("--max-file-size", help="Budget on the exported model, such as 5MB.")
    ] = None,
    seed: Seed = 0,
    limit: Limit = None,
    skip_corrupt: SkipCorrupt = False,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    width_multiplier: WidthMultiplier = None,
    head_channels: HeadChannels = None,
    settings: Set = None,
    resume: Resume = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Search a space for the architecture that keeps a latency budget.

    Further budgets (--max-params and the like) are kept at the same time, exactly. --budgets 5,8,12ms chooses
    an architecture for each of several budgets from one search, and draws accuracy over latency.
    --set takes settings of the method, such as --set epochs=30 or --set objective=fbnet with dnas,
    --set trials=64 or --set training.epochs=3 with random.
    """
    from fbsearch.cli.searching import search_space

    search_space(
        space,
        space_fields(resolution, num_classes, width_multiplier, head_channels),
        method=method,
        table_paths=table,
        data=data_fields(data, limit, skip_corrupt),
        budgets_ms=budget_ms or [],
        sweep=sweep,
        budgets={
            "params": max_params,
            "macs": max_macs,
            "peak_memory": max_peak_memory,
            "file_size": max_file_size,
        },
        out=out,
        seed=seed,
        overrides=settings or [],
        resume=resume,
        quiet=quiet,
        as_json=as_json,
    )


@app.command(epilog="Example: fbsearch train RUN/architecture.json --data DIR --out RUN --set epochs=100")
def train(
    architecture: Annotated[str, typer.Argument(help="A JSON file, or a published architecture's name.")],
    data: Data,
    out: Out,
    init: Annotated[
        Path | None,
        typer.Option("--init", help="Weights to start from, e.g. RUN/search/inherited.safetensors."),
    ] = None,
    seed: Seed = 0,
    limit: Limit = None,
    skip_corrupt: SkipCorrupt = False,
    settings: Set = None,
    resume: Resume = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train an architecture from scratch, or from a supernet's weights.

    --set takes settings of the training, such as --set epochs=100 or --set optimizer=adamw.
    """
    from fbsearch.cli.stages import train_architecture

    train_architecture(
        architecture,
        data=data_fields(data, limit, skip_corrupt),
        out=out,
        init=init,
        seed=seed,
        overrides=settings or [],
        resume=resume,
        quiet=quiet,
        as_json=as_json,
    )


@app.command(
    epilog="Examples: fbsearch export RUN --to model.tflite; "
    "fbsearch export RUN --to RUN/model.tflite --precision int8; "
    "fbsearch export RUN --to RUN/model.tflite --precision int8 --finetune-epochs 3"
)
def export(
    source: Annotated[Path, typer.Argument(help="A run's folder, or a weights file within one.")],
    to: Annotated[Path, typer.Option("--to", help="The model: .tflite or .onnx.")],
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
    from fbsearch.cli.stages import export_run

    export_run(
        source,
        to,
        precision=precision,
        calibration_images=calibration_images,
        finetune_epochs=finetune_epochs,
        overrides=settings or [],
        quiet=quiet,
        as_json=as_json,
    )


@app.command(
    epilog="Examples: fbsearch verify RUN/model.tflite --device local --json; "
    "fbsearch verify RUN/model.tflite --device pixel7"
)
def verify(
    model: Annotated[Path, typer.Argument(help="A model that fbsearch exported.")],
    device: DeviceName = "local",
    threads: Threads = None,
    budget_ms: Annotated[
        float | None, typer.Option("--budget-ms", help="Latency budget in milliseconds.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="The run with the network, if the model lies elsewhere.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Test images, if not those of the training.")
    ] = None,
    method: RunMethod = None,
    settings: Set = None,
    keep: Keep = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare an exported model with its network, classify the test images, and measure it on a device.

    Ends with exit code 2 if the model disagrees with its network or is over the budget.
    """
    from fbsearch.cli.stages import verify_model

    verify_model(
        model,
        device_name=device,
        threads=threads,
        budget_ms=budget_ms,
        run=run,
        data_source=data,
        overrides=settings or [],
        keep=keep,
        quiet=quiet,
        as_json=as_json,
    )


@app.command(
    epilog="Examples: fbsearch run quickstart --out runs/quickstart; "
    "fbsearch run cifar10 --set data.source=cifar10.zip --set budget_ms=0.5 --out runs/cifar10 --resume; "
    "fbsearch run quickstart --device pixel7 --out runs/pixel7; "
    "fbsearch run quickstart --budgets 30,50,70% --out runs/sweep"
)
def run(
    recipe: Annotated[str, typer.Argument(help="quickstart, cifar10, imagenet-fbnet, or a YAML file.")],
    out: Out,
    device: Annotated[
        str | None,
        typer.Option("--device", help="As in --set device.name=…; by default the recipe's."),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option("--budgets", help="Several latency budgets instead of one, such as 5,8,12ms or 30,60%."),
    ] = None,
    method: RunMethod = None,
    settings: Set = None,
    keep: Keep = False,
    resume: Resume = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run, and what it writes.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run everything: profile, search, train, export, verify, report.

    --budgets searches once, and runs the stages after it for each budget, in a folder of its own.
    """
    from fbsearch.cli.running import run_recipe

    run_recipe(
        recipe,
        out,
        sweep=sweep,
        method=method,
        device_name=device,
        overrides=settings or [],
        keep=keep,
        resume=resume,
        dry_run=dry_run,
        quiet=quiet,
        as_json=as_json,
    )


@app.command(
    epilog="Examples: fbsearch report runs/quickstart; fbsearch report runs/quickstart --figures figures/"
)
def report(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    figures: Annotated[
        Path | None, typer.Option("--figures", help="Write its figures into this folder too, as SVG.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a run's page anew: RUN/report.html."""
    from fbsearch.cli.running import write_page

    write_page(run, figures=figures, as_json=as_json)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        import fbsearch

        print(fbsearch.__version__)
        raise typer.Exit
