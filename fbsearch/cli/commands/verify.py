"""``fbsearch verify``: an exported model, checked and measured on a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fbsearch.cli.options import DeviceName, Json, Keep, Quiet, Set, Threads
from fbsearch.cli.printing import notify, print_json
from fbsearch.errors import BudgetError

if TYPE_CHECKING:
    from fbsearch.data import DataSplits
    from fbsearch.records import RunPaths, Verification

EXAMPLES = (
    "Examples: fbsearch verify RUN/model.tflite --device local --json; "
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
    settings: Set = None,
    keep: Keep = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare an exported model with its network, classify the test images, and measure it on a device.

    Ends with exit code 2 if the model disagrees with its network or is over the budget.
    """
    from fbsearch.devices import find_device, with_models_apart
    from fbsearch.pipeline.recipe import VerifySettings, given_settings, on_device, settings_from
    from fbsearch.pipeline.stages.verifying import run_verification, save_verification_of, target_number
    from fbsearch.records import RunPaths

    verify_settings = settings_from(VerifySettings, settings or [], source="verify")
    paths = RunPaths(run or model.parent)
    place = with_models_apart(find_device(device, keep=keep))
    images = None if data is None else _images(paths, data)
    settings_there = on_device(given_settings(device, None, threads), place.definition)
    number = target_number(paths, model, place, settings_there)
    verification = run_verification(
        model,
        paths=paths,
        device=place,
        device_settings=settings_there,
        protocol=place.definition.protocol,
        settings=verify_settings,
        data=images,
        budget_ms=budget_ms,
        seed=0,
        number=number,
    )
    written = save_verification_of(model, verification, paths, number)
    if written != paths.verification(number):
        notify(f"{written}: {paths.verification(number).name} stays that of the run's own model")
    _show(model, verification, as_json=as_json)
    _check_budgets(model, verification)


def _images(paths: RunPaths, source: str) -> DataSplits:
    """Other images, read as those of a run's training were."""
    from fbsearch.pipeline.stages.inputs import load_splits
    from fbsearch.records import InputRecord, read_record

    inputs = read_record(paths.inputs, InputRecord)
    return load_splits(
        inputs.data.model_copy(update={"source": source}),
        resolution=inputs.resolution,
        in_channels=inputs.in_channels,
        seed=inputs.seed,
    )


def _show(model: Path, verification: Verification, *, as_json: bool) -> None:
    if as_json:
        print_json(verification.model_dump(mode="json"))
        return
    is_quantised = verification.precision != "fp32"
    before = f", {verification.fp32_test_accuracy:.2%} in fp32" if is_quantised else ""
    notify(
        f"{model}: {verification.measured_ms:.4g} ms on {verification.device}; accuracy "
        f"{verification.test_accuracy:.2%} on {verification.num_samples} images"
        f"{before}; largest difference {verification.max_abs_diff:.2g}"
    )


def _check_budgets(model: Path, verification: Verification) -> None:
    """Refuse a model that is over a budget.

    Raises:
        BudgetError: naming what it takes, and the budget.
    """
    from fbsearch.pipeline.recipe import describe_broken

    if verification.keeps_budget is False:
        raise BudgetError(
            f"{model} takes {verification.measured_ms:.4g} ms, over its budget of "
            f"{verification.budget_ms:.4g} ms"
        )
    broken = describe_broken(verification.budgets)
    if broken:
        raise BudgetError(f"{model} does not keep its budgets: {broken}")
