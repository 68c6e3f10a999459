"""``run.json``: where, when and how a run was made, and how its stages went."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from fbsearch.records.paths import numbered
from fbsearch.records.record import FileRecord, Positive, Record


def _as_command(value: Any) -> Any:
    return shlex.join(map(str, value)) if isinstance(value, list) else value


class StageRecord(Record):
    """How a stage went: wall time, interrupted tries included, and what ended it but success."""

    seconds: Positive | None = None
    error: str | None = None


class RunRecord(FileRecord):
    """The file.

    Args:
        fbsearch: its version.
        python: its version.
        torch: its version.
        machine: that ran the stages: a device's description, or words.
        command: as it was given.
        seed: of everything random.
        started: time of day, UTC.
        stages: by name, in the order in which they first ran.
    """

    made_by: ClassVar[str] = "fbsearch run"

    fbsearch: str | None = None
    python: str | None = None
    torch: str | None = None
    machine: dict[str, Any] | str | None = None
    command: Annotated[str | None, BeforeValidator(_as_command)] = None
    seed: int | None = None
    started: str | None = None
    stages: Mapping[str, StageRecord] = Field(default_factory=dict)

    @property
    def machine_text(self) -> str | None:
        """The machine in words: processor, architecture, cores and system."""
        return describe_machine(self.machine) if isinstance(self.machine, dict) else self.machine


def stage_name(kind: str, target: int = 1) -> str:
    """What a stage is called: its kind, and the number of its target from the second on."""
    return numbered(kind, target, separator=" ")


def stage_kind(name: str) -> str:
    """The kind of a stage, whatever its target.

    >>> stage_kind(stage_name("profile", 2))
    'profile'
    """
    return name.partition(" ")[0]


def describe_machine(fields: dict[str, Any]) -> str:
    """A device's description on one line."""
    cores = f"{fields['num_cores']} cores" if "num_cores" in fields else None
    parts = (
        fields.get("model") or fields.get("name"),
        fields.get("architecture"),
        cores,
        fields.get("system"),
    )
    return ", ".join(str(part) for part in parts if part)
