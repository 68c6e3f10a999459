"""The device, the settings, and how to get the same again."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.reports.facts import (
    Fact,
    StageTime,
    device_facts,
    difference_facts,
    stage_times,
    total_seconds,
    version_facts,
)
from fbsearch.reports.run_folder import RunFolder


@dataclass(frozen=True)
class ReproduceSection:
    """The device and the versions in facts, the stages' times and their sum in words."""

    device: tuple[Fact, ...]
    stages: tuple[StageTime, ...]
    total_seconds: str
    versions: tuple[Fact, ...]


def reproduce_section(run: RunFolder) -> ReproduceSection:
    """What is known of the machine and the versions."""
    return ReproduceSection(
        device=(*device_facts(run), *difference_facts(run)),
        stages=stage_times(run),
        total_seconds=total_seconds(run),
        versions=version_facts(run),
    )
