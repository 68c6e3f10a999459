"""docs/tables.md names every field of the format."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from fbsearch.devices.description import DeviceDescription, RuntimeDescription
from fbsearch.latency import TableEntry
from fbsearch.latency.calibration.records import CalibrationHeader, Diagnostics, Fit
from fbsearch.latency.entries.header import SentinelRecord, SpaceReference, TableHeader, TableSeconds

TEXT = (Path(__file__).parents[2] / "docs" / "tables.md").read_text("utf-8")

FIELDS = [
    *(
        f"{model.__name__}.{name}"
        for model in (
            TableHeader, SpaceReference, TableSeconds, SentinelRecord, DeviceDescription, RuntimeDescription,
            CalibrationHeader, Fit, Diagnostics,
        )
        for name in model.model_fields
    ),
    *(f"TableEntry.{field.name}" for field in dataclasses.fields(TableEntry)),
    *(f"MeasuredNetwork.{name}" for name in ("choices", "origin", "sum_us")),
    "TableHeader.entries",
    "TableHeader.calibration",
    "CalibrationHeader.networks",
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_documented(field: str) -> None:
    assert f"`{field.partition('.')[2]}`" in TEXT
