"""The exported model on a target, against its budget."""

from __future__ import annotations

from fbsearch.data import DataSplits
from fbsearch.pipeline.stages.verifying import run_verification
from fbsearch.pipeline.targets.target import Target
from fbsearch.records import Verification, write_record


def verify_target(target: Target, data: DataSplits) -> None:
    """Check the exported model there and measure it; once more where it is over and the device was busy.

    Raises:
        ExportError, CheckpointError, MeasurementError: as the verification raises them.
    """
    verification = _verify(target, data, target.recipe.seed)
    if not (verification.keeps_budget or verification.is_steady):
        target.tell("verify", "over the budget, but the device was busy throughout: measured once more")
        verification = _verify(target, data, target.recipe.seed + 1)
    write_record(target.paths.verification(target.number), verification)
    target.tell(
        "verify",
        f"{verification.measured_ms:.4g} ms measured, {verification.predicted_ms:.4g} ms predicted, "
        f"budget {verification.budget_ms:.4g} ms; accuracy {verification.test_accuracy:.2%}",
    )


def _verify(target: Target, data: DataSplits, seed: int) -> Verification:
    return run_verification(
        target.model,
        paths=target.paths,
        device=target.device,
        device_settings=target.settings.device,
        protocol=target.settings.profile.protocol,
        settings=target.recipe.verify,
        data=data,
        budget_ms=None,
        seed=seed,
        number=target.number,
    )
