"""An open space and one of cells with loose ends, on the command line, on a simulated device."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fbsearch.cli.main import main
from fbsearch.latency import LatencyTable
from fbsearch.spaces import load_space
from tests.latency.simulated_spaces import SpaceDevice, models_of
from tests.spaces.wide import WideSpace

YAML = {
    "wide": "name: wide\nkind: wide\nresolution: 16\nnum_classes: 10\n",
    "loose": """
name: loose
kind: cells
resolution: 8
num_classes: 3
channels: 4
stages: 2
cells_per_stage: 1
cell: {nodes: 2, ops: [skip, conv_3x3], rule: chosen, output: loose}
""",
}


@pytest.fixture(params=list(YAML))
def space_file(request, tmp_path, monkeypatch):
    """A space in YAML whose networks the commands find a device for."""
    path = tmp_path / f"{request.param}.yaml"
    path.write_text(YAML[request.param])
    space = load_space(str(path))
    assert isinstance(space, WideSpace) == (request.param == "wide")
    for module in ("cli.opened_table", "pipeline.stages.profiling"):
        monkeypatch.setattr(f"fbsearch.{module}.find_device", lambda name, **options: SpaceDevice(space))
    models = models_of(space)
    settings = "fbsearch.latency.measuring.settings"
    monkeypatch.setattr(f"{settings}.converting", lambda *args, **options: models.operators)
    monkeypatch.setattr(f"{settings}.converting_networks", lambda *args, **options: models.networks)
    return path


@pytest.fixture
def table(space_file, tmp_path, capsys):
    """Its table, as profiled."""
    path = tmp_path / "table.json"
    run(capsys, "profile", "--space", space_file, "--out", path, "--quiet")
    return path


def run(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr()


def test_such_a_space_is_profiled_calibrated_checked_and_shown(space_file, table, capsys):
    before = LatencyTable.load(table)
    assert before.space_name == space_file.stem and before.calibration is None
    printed = run(capsys, "calibrate", table, "--space", space_file, "-n", 24, "--quiet", "--json")
    assert json.loads(printed.out)["mean_abs_error"] < 0.03
    after = LatencyTable.load(table)
    assert set(before.entries) <= set(after.entries)
    assert (len(after.entries) > len(before.entries)) == (space_file.stem == "wide"), "grown where it is open"
    printed = run(capsys, "table", "check", table, "--space", space_file, "-n", 6, "--quiet", "--json")
    assert json.loads(printed.out)["calibrated"]["mean_abs_error"] < 0.03
    shown = json.loads(run(capsys, "table", "show", table, "--space", space_file, "--json").out)
    assert ("estimation" in shown) == (space_file.stem == "wide"), (
        "nothing is estimated where all is measured"
    )
    assert shown["latencies"] == "calibrated with 24 whole networks" and "slots" not in shown
    assert set(shown["operators_us"]) == set(LatencyTable.load(table).entries)
    assert "24 whole networks" in run(capsys, "table", "show", table, "--space", space_file).out


def test_one_command_profiles_and_calibrates(space_file, tmp_path, capsys):
    out = tmp_path / "table.json"
    run(capsys, "profile", "--space", space_file, "--calibrate", 8, "--out", out, "--quiet")
    assert len(LatencyTable.load(out).calibration.networks) == 8
    told = run(capsys, "profile", "--space", space_file, "--calibrate", 8, "--out", out, "--dry-run").err
    num_operators = len(LatencyTable.load(out).entries)
    assert f"would measure {num_operators} operators of {space_file.stem}" in told


def test_a_table_grows_by_architectures_and_by_random_ones(space_file, table, tmp_path, capsys):
    space, file = load_space(str(space_file)), tmp_path / "a.json"
    architecture = space.decode(space.sample(np.random.default_rng(9)))
    architecture.save(file)
    lacking = LatencyTable.load(table).missing(architecture.operators())
    before = table.read_bytes()
    told = run(capsys, "table", "grow", table, file, "--dry-run").err
    assert f"would measure {len(lacking)} operators that {table} lacks" in told
    assert table.read_bytes() == before
    printed = run(capsys, "table", "grow", table, file, "--quiet", "--json")
    assert json.loads(printed.out)["added"] == lacking
    assert (lacking == []) == (space_file.stem == "loose"), "what can be listed is complete"
    assert LatencyTable.load(table).architecture_us(architecture) > 0
    options = ("--from-space", space_file, "--samples", 3, "--seed", 4, "--quiet")
    told = run(capsys, "table", "grow", table, *options).err
    table_now = LatencyTable.load(table)
    assert f"it holds {len(table_now.entries)}" in told
    assert "0 operators added" in run(capsys, "table", "grow", table, *options).err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "nothing to grow by"),
        (("none.json",), "none.json"),
        (("--from-space", "none.yaml"), "none.yaml"),
        (("--from-space", "{space}", "--samples", "0"), "--samples"),
    ],
)
@pytest.mark.parametrize("space_file", ["wide"], indirect=True)
def test_bad_input_is_one_line(space_file, table, capsys, arguments, named):
    before = table.read_bytes()
    given = [argument.replace("{space}", str(space_file)) for argument in arguments]
    assert main(["table", "grow", str(table), *given]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("fbsearch: error: ") and named in line
    assert table.read_bytes() == before


@pytest.mark.parametrize("space_file", ["loose"], indirect=True)
def test_what_has_no_layers_is_not_drawn(space_file, table, tmp_path, capsys):
    options = ("--space", str(space_file), "--plot", str(tmp_path / "heat.svg"))
    assert main(["table", "show", str(table), *options]) == 2
    assert "drawing a table needs independent decisions" in capsys.readouterr().err


def test_help_shows_examples(capsys):
    assert main(["table", "grow", "--help"]) == 0
    assert "fbsearch table grow T.json a.json b.json" in " ".join(capsys.readouterr().out.split())
