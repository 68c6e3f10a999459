"""``fbsearch devices describe``, of simulated phones."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from fbsearch.devices import AdbDefinition, find_device
from fbsearch.devices.adb.device.describing import describe_phone
from fbsearch.devices.adb.device.device_file import device_file
from fbsearch.devices.adb.phone.lock import phone_lock
from fbsearch.devices.definition import load_definition
from tests.cli.phones import place

FOLDER = "/data/local/tmp/fbsearch"
pytestmark = pytest.mark.usefixtures("home")


def test_a_phone(command, pixel):
    printed, _ = command("devices", "describe", place(pixel))
    for told in (
        *("Google Pixel 7 Pro", "GS201", "arm64-v8a", "14 (API 34)", "0,1,2,3 at 1.80 GHz", "mask c0"),
        *("0 (none)", "87 %, 28.7 °C", "free space", "taskset"),
    ):
        assert told in printed


def test_a_board_and_what_it_does_not_tell(command, board):
    told = json.loads(command("devices", "describe", place(board), "--json")[0])
    assert told["abis"] == ["linux-aarch64"] and told["num_cores"] == 4
    assert told["android"] is told["battery"] is told["thermal_status"] is told["big_cores"] is None
    assert any("taskset" in gap for gap in told["unknown"])
    assert "could not be known" in command("devices", "describe", place(board))[0]


def test_this_computer(command):
    assert json.loads(command("devices", "describe", "local", "--json")[0])["kind"] == "local"
    assert "cores" in command("devices", "describe", "local")[0]


@pytest.mark.parametrize("kind", ["pixel", "board"])
def test_the_file_it_writes(command, request, kind):
    phone = request.getfixturevalue(kind)
    _, said = command("devices", "describe", place(phone), "--write", "devices/mine.yaml")
    assert "devices/mine.yaml: written" in said
    definition = load_definition(Path("devices/mine.yaml"))
    assert definition == find_device("mine").definition
    assert (definition.name, definition.address, definition.threads) == ("mine", place(phone), 1)
    assert definition.cores == {"pixel": "big", "board": None}[kind]
    text = Path("devices/mine.yaml").read_text()
    stated = set(re.findall(r"^(?:# )?([a-z_0-9]+):", text, re.MULTILINE))
    assert stated | {"serial"} == set(AdbDefinition.model_fields) - {"address"} | {"address", "serial"}
    assert command("devices", "describe", "mine", "--json")[0]


def test_a_file_is_replaced_only_by_force(command, failing, pixel):
    Path("devices/mine.yaml").write_text("mine\n")
    arguments = ("devices", "describe", place(pixel), "--write", "devices/mine.yaml")
    assert "--force" in failing(*arguments)
    assert Path("devices/mine.yaml").read_text() == "mine\n"
    command(*arguments, "--force")
    assert load_definition(Path("devices/mine.yaml")).name == "mine"


@pytest.mark.parametrize("text", ['x"\n# : {', "\x00\x1b[31m", "'- a", "ünï ☃", "a: b # c"])
def test_nothing_that_a_phone_says_breaks_its_file(pixel, tmp_path, text):
    report = describe_phone(find_device(place(pixel)))
    definition = report.definition.model_copy(update={"address": None, "serial": text})
    path = tmp_path / "any.yaml"
    path.write_text(device_file(dataclasses.replace(report, definition=definition), name="any"))
    assert load_definition(path).serial == text


def test_what_a_crash_left_on_is_switched_off(command, pixel, capsys):
    marker = pixel.sandbox.to_host(f"{FOLDER}/fixed-performance-mode-is-on")
    marker.parent.mkdir(parents=True)
    marker.write_text("fbsearch\n")
    with find_device(place(pixel)).phone.connected() as phone:
        phone.run("cmd power set-fixed-performance-mode-enabled true")
    assert pixel.fixed_performance
    with phone_lock(place(pixel), "another"):  # but not while someone measures
        assert json.loads(command("devices", "describe", place(pixel), "--json")[0])["is_measured_now"]
        assert pixel.fixed_performance
    told = json.loads(command("devices", "describe", place(pixel), "--json")[0])
    assert told["restored_fixed_performance_mode"] and not pixel.fixed_performance
    assert not marker.exists() and told["capped_cores"] == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nobody"], "nobody"),
        (["127.0.0.1:1"], "127.0.0.1:1"),
        (["127.0.0.1:99999"], "99999"),
        (["local", "--write", "devices/x.yaml"], "this computer"),
        (["local", "--force"], "--write"),
        ([], "device"),
    ],
)
def test_bad_input(failing, arguments, named):
    assert named.lower() in failing("devices", "describe", *arguments).lower()


@pytest.mark.parametrize("path", ["devices/mine.txt", "devices/my phone.yaml", "devices"])
def test_a_name_that_will_not_do(failing, pixel, path):
    assert "--write" in failing("devices", "describe", place(pixel), "--write", path)


def test_a_folder_that_cannot_be_made(failing, pixel):
    Path("file").write_text("in the way")
    line = failing("devices", "describe", place(pixel), "--write", "file/mine.yaml")
    assert "cannot be written" in line
