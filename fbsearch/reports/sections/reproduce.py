"""The devices, the settings, and how to get the same again."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.reports.facts import Fact, StageTime, device_facts, stage_times, total_seconds, version_facts
from fbsearch.reports.run_folder import RunFolder


@dataclass(frozen=True)
class ReproduceSection:
    """What the template shows.

    Args:
        devices: name, empty where there is but one, and facts of each that is known.
        stages: their times.
        total_seconds: of all stages, in words.
        versions: seed, packages and machine.
    """

    devices: tuple[tuple[str, tuple[Fact, ...]], ...]
    stages: tuple[StageTime, ...]
    total_seconds: str
    versions: tuple[Fact, ...]


def reproduce_section(run: RunFolder) -> ReproduceSection:
    """What is known of the devices, the machine and the versions."""
    return ReproduceSection(
        devices=tuple(
            (label, facts)
            for target, label in zip(run.targets, run.labels, strict=True)
            if (facts := device_facts(target))
        ),
        stages=stage_times(run),
        total_seconds=total_seconds(run),
        versions=version_facts(run),
    )
