"""The device files to copy from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fbsearch.devices import (
    PHONE_PROTOCOL,
    AdbDefinition,
    LocalDefinition,
    MeasurementProtocol,
    find_definition,
)
from fbsearch.devices.definition import load_definition
from fbsearch.errors import DeviceError

EXAMPLES = sorted((Path(__file__).parents[2] / "devices" / "examples").glob("*.yaml"))


def stated(path: Path) -> set[str]:
    """Fields that stand in a file, those in comments included."""
    return set(re.findall(r"^(?:# )?([a-z_0-9]+):", path.read_text("utf-8"), re.MULTILINE))


def test_there_are_some():
    assert {path.stem for path in EXAMPLES} == {"pixel7", "galaxy_s22", "raspberry_pi", "shared_server"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_loads_copied_or_by_its_path(path, tmp_path):
    definition = load_definition(path)
    kind = LocalDefinition if path.stem == "shared_server" else AdbDefinition
    assert isinstance(definition, kind) and definition.name == path.stem
    (tmp_path / "mine.yaml").write_text(path.read_text("utf-8"))
    assert find_definition("mine", folder=tmp_path) == definition == find_definition(str(path))
    assert stated(path) <= set(kind.model_fields)


def test_one_has_every_field_at_its_default():
    path = next(path for path in EXAMPLES if path.stem == "pixel7")
    definition = load_definition(path)
    assert stated(path) == set(AdbDefinition.model_fields)
    assert definition.protocol == PHONE_PROTOCOL
    text = path.read_text("utf-8")
    assert all(re.search(rf"^  {name}: ", text, re.MULTILINE) for name in MeasurementProtocol.model_fields)
    own = {"name", "description", "serial", "cores"}
    defaults = AdbDefinition(name="default")
    assert definition.model_dump(exclude=own) == defaults.model_dump(exclude=own)


def test_a_mask_without_quotes_is_explained(tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\nkind: adb\ncores: 70\n")
    with pytest.raises(DeviceError, match="cores: 70 is a number: put a mask into quotes"):
        find_definition("mine", folder=tmp_path)
