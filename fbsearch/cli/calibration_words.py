"""What commands say of calibrations: for scripts, for people, and before there is one."""

from __future__ import annotations

from typing import Any

from fbsearch.devices import DeviceDefinition, RuntimeName
from fbsearch.latency import Calibration
from fbsearch.latency.profiling.estimate import estimate_networks_seconds
from fbsearch.spaces import Space


def calibration_figures(calibration: Calibration) -> dict[str, Any]:
    """A calibration for scripts: how good it is, and its line."""
    fit = calibration.header.fit
    return {
        **calibration.diagnostics.model_dump(mode="json"),
        "intercept_us": fit.intercept_us,
        "slope": fit.slope,
        "spread": fit.spread,
        "shared": fit.shared,
        "alike": fit.alike,
        "seconds": calibration.header.seconds.model_dump(mode="json"),
    }


def describe_calibration(calibration: Calibration) -> str:
    """A calibration for people, in one line."""
    seconds = calibration.header.seconds
    return (
        f"calibrated with {calibration.summary}; converting {seconds.converting:.0f} s, "
        f"measuring {seconds.measuring:.0f} s"
    )


def networks_estimate(
    space: Space,
    num_networks: int,
    *,
    runtime: RuntimeName,
    jobs: int | None,
    definition: DeviceDefinition,
) -> str:
    """How many whole networks would be measured, and how long that may take."""
    estimate = estimate_networks_seconds(
        space, num_networks, runtime=runtime, jobs=jobs, definition=definition
    )
    return (
        f"{estimate.num_models} whole networks, converting them first, in about "
        f"{estimate.seconds / 60:.1f} minutes"
    )
