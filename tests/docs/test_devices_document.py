"""docs/devices.md names every field of a device file, and its defaults as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fbsearch.devices import AdbDefinition, LocalDefinition

TEXT = (Path(__file__).parents[2] / "docs" / "devices.md").read_text("utf-8")
ROWS = {
    match[1]: match[2] for match in re.finditer(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \|$", TEXT, re.MULTILINE)
}


@pytest.mark.parametrize("field", sorted({*AdbDefinition.model_fields, *LocalDefinition.model_fields}))
def test_every_field_is_documented(field: str) -> None:
    assert re.search(rf"^\| `{field}` \| ", TEXT, re.MULTILINE)


@pytest.mark.parametrize(
    "field", ["transport", "server", "delegate", "folder", "keep", "fixed_performance_mode", "warmup_ms",
              "max_launch_s", "max_thermal_status", "max_battery_celsius"]
)  # fmt: skip
def test_defaults_are_those_of_the_code(field: str) -> None:
    default = getattr(AdbDefinition(name="default"), field)
    written = f"{default:g}" if isinstance(default, float) else str(default)
    assert ROWS[field].strip("` ") == (written.lower() if isinstance(default, bool) else written)
