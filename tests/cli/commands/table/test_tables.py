"""``fbsearch calibrate`` and ``fbsearch table check``, on a simulated device."""

from __future__ import annotations

import json

import pytest

from fbsearch.cli import main
from fbsearch.latency import LatencyTable
from fbsearch.latency.measuring.settings import ModelSource
from fbsearch.latency.profiling.profiling import profile
from tests.devices.simulated import simulated_models
from tests.latency.simulated_networks import SPACE, NetworkDevice, simulated_network_us, simulated_networks


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    path = tmp_path_factory.mktemp("profiled") / "table.json"
    profile(SPACE, NetworkDevice(), out=path, models=ModelSource(operators=simulated_models))
    return path


@pytest.fixture
def table(profiled, tmp_path, monkeypatch):
    """A plain table of the simulated device, which the commands find."""
    path = tmp_path / "table.json"
    path.write_bytes(profiled.read_bytes())
    monkeypatch.setattr("fbsearch.cli.opened_table.find_device", lambda name: NetworkDevice())
    settings = "fbsearch.latency.measuring.settings"
    monkeypatch.setattr(f"{settings}.converting", lambda *args, **options: simulated_models)
    monkeypatch.setattr(f"{settings}.converting_networks", lambda *args, **options: simulated_networks)
    return path


def run(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr()


def test_a_table_is_calibrated_in_place_and_checked(table, tmp_path, capsys):
    printed = run(capsys, "calibrate", table, "--networks", 24, "--quiet", "--json")
    figures = json.loads(printed.out)
    assert figures["num_networks"] == 24 and figures["mean_abs_error"] < figures["sum_mean_abs_error"]
    assert len(LatencyTable.load(table).calibration.networks) == 24

    plot = tmp_path / "plots" / "check.svg"
    printed = run(capsys, "table", "check", table, "-n", 30, "--seed", 1, "--plot", plot, "--quiet", "--json")
    checked = json.loads(printed.out)
    assert checked["num_networks"] == 30 and 0 < checked["repeatability"] < 0.01
    calibrated, plain = checked["calibrated"], checked["plain"]
    assert calibrated["mean_abs_error"] < 0.01 < plain["mean_abs_error"]
    assert calibrated["share_within_5_percent"] == 1.0 and calibrated["spearman"] > 0.99
    assert plot.read_text().startswith("<svg ")

    printed = run(capsys, "table", "check", table, "-n", 5, "--quiet")
    assert printed.err.count("\n") == 1 and "calibrated values are off by" in printed.err
    assert {path.name for path in tmp_path.iterdir()} == {"table.json", "plots"}


def _full_disk(path, predictions):
    raise OSError(28, "No space left on device")


def test_a_check_whose_figures_cannot_be_written_is_kept_for_the_next(table, tmp_path, capsys, monkeypatch):
    measured = table.with_name("table.json.check.partial")
    command = ["table", "check", str(table), "-n", "5", "--quiet", "--plot", str(tmp_path / "check.svg")]
    with monkeypatch.context() as patched:
        patched.setattr("fbsearch.reports.charts.write_predictions", _full_disk)
        assert main(command) != 0
    before = measured.read_bytes()
    assert main(command) == 0 and not measured.exists()
    assert b"network" in before and "fresh networks" in capsys.readouterr().err


def test_a_dry_run_of_a_calibration_leaves_the_table(table, capsys):
    before = table.read_bytes()
    told = run(capsys, "calibrate", table, "--networks", 8, "--dry-run").err
    assert "would measure 8 whole networks, converting them first, in about " in told
    assert table.read_bytes() == before and list(table.parent.iterdir()) == [table]


def test_a_dry_run_estimates_whole_networks_too(tmp_path, capsys):
    out = tmp_path / "t.json"
    told = run(capsys, "profile", "--space", "digits", "--calibrate", 12, "--out", out, "--dry-run").err
    assert "then 12 whole networks, converting them first, in about " in told and "minutes more" in told
    assert "networks" not in run(capsys, "profile", "--space", "digits", "--out", out, "--dry-run").err
    assert not out.exists()


def test_a_table_is_shown_and_drawn(table, tmp_path, capsys):
    plot = tmp_path / "plots" / "heat.svg"
    shown = json.loads(run(capsys, "table", "show", table, "--plot", plot, "--json").out)
    assert [len(slot["latencies_us"]) for slot in shown["slots"]] == [len(s.names) for s in SPACE.decisions]
    assert shown["latencies"] == "plain sums of isolated operators"
    assert plot.read_text().count('class="cell orange"') == sum(len(s.names) for s in SPACE.decisions)
    assert "calibrated" not in run(capsys, "table", "show", table).out
    run(capsys, "calibrate", table, "--networks", 24, "--quiet")
    assert "24 whole networks" in run(capsys, "table", "show", table).out


def test_an_architecture_is_described_with_both_latencies(table, tmp_path, capsys):
    architecture = tmp_path / "a.json"
    SPACE.decode((0, 1, 2, 3)).save(architecture)
    plain = json.loads(run(capsys, "describe", architecture, "--table", table, "--json").out)
    assert plain["calibrated_ms"] is None
    run(capsys, "calibrate", table, "--networks", 24, "--quiet")
    both = json.loads(run(capsys, "describe", architecture, "--table", table, "--json").out)
    assert both["latency_ms"] == plain["latency_ms"]
    assert both["calibrated_ms"] == pytest.approx(simulated_network_us((0, 1, 2, 3)) / 1000, rel=0.03)
    assert "calibrated, as a whole" in run(capsys, "describe", architecture, "--table", table).out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("calibrate", "{table}", "--networks", "3"), "at least 4"),
        (("calibrate", "{table}", "--networks", "3", "--dry-run"), "at least 4"),
        (("calibrate", "{table}", "--space", "cifar"), "cifar"),
        (("calibrate", "{table}", "--set", "max_rounds=2"), "min_rounds"),
        (("calibrate", "none.json"), "cannot read a latency table"),
        (("table", "check", "{table}", "--networks", "1"), "at least 2"),
        (("table", "check", "{table}", "--networks", "99999"), "the space holds"),
        (("table", "check", "{table}", "--space", "none.yaml"), "none.yaml"),
        (("table", "show", "{table}", "--space", "cifar"), "cifar"),
        (("table", "show", "none.json"), "cannot read a latency table"),
        (("profile", "--space", "digits", "--calibrate", "2"), "at least 4"),
    ],
)
def test_bad_input_is_one_line(table, capsys, arguments, named):
    before = table.read_bytes()
    assert main([argument.replace("{table}", str(table)) for argument in arguments]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("fbsearch: error: ") and named in line
    assert table.read_bytes() == before
