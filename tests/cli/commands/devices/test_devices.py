"""``fbsearch devices``: what it lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from fbsearch.devices.adb.link import discovery
from fbsearch.devices.adb.link.server import ServerDevice
from tests.cli.phones import ROOT, place, unused_port, write_device
from tests.devices.adb.link.adb_server import adb_server, needs_adb

pytestmark = pytest.mark.usefixtures("home")


def test_json_is_a_list_and_hints_go_elsewhere(command, pixel):
    write_device("sim", place(pixel))
    write_device("gone", f"127.0.0.1:{unused_port()}")
    listed = {row["name"]: row for row in json.loads(command("devices", "--json")[0])}
    assert set(listed) == {"local", "sim", "gone"}
    assert set(listed["sim"]) == {
        "name", "source", "transport", "is_usable", "description", "problem",
    }  # fmt: skip
    assert listed["sim"]["is_usable"] and listed["sim"]["transport"] == "tcp"
    assert not listed["gone"]["is_usable"] and "\n" not in listed["gone"]["problem"]


def listed(command) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in json.loads(command("devices", "--json")[0])}


def test_two_files_of_one_address_are_one_phone(command, pixel):
    write_device("sim", place(pixel))
    write_device("again", place(pixel), cores="little")
    rows = listed(command)
    assert set(rows) == {"local", "sim", "again"}
    assert rows["sim"]["is_usable"] and rows["again"]["is_usable"]


@pytest.fixture
def servers(monkeypatch) -> dict[tuple[str, int], list[ServerDevice]]:
    """What adb servers hold; there is nothing on USB."""
    held: dict[tuple[str, int], list[ServerDevice]] = {}
    monkeypatch.setattr(discovery, "list_server", lambda *server: held.get(server))
    monkeypatch.setattr(discovery, "list_usb", list)
    return held


def write_served(name: str, **fields: object) -> None:
    data = {"name": name, "kind": "adb", "transport": "server", **fields}
    Path("devices", f"{name}.yaml").write_text(yaml.safe_dump(data))


def test_a_phone_at_the_server_that_its_file_names(command, servers):
    other = ("127.0.0.1", 5038)
    servers[other] = [ServerDevice("ABC", "unauthorized"), ServerDevice("DEF", "device")]
    servers[discovery.DEFAULT_SERVER] = [ServerDevice("ABC", "offline"), ServerDevice("GHI", "offline")]
    write_served("there", serial="ABC", server="127.0.0.1:5038")
    write_served("here", serial="ABC")
    write_served("lost", serial="GHI", server="127.0.0.1:5038")
    rows = listed(command)
    assert "unauthorised" in rows["there"]["problem"]
    assert "offline" in rows["here"]["problem"]
    assert "not in reach" in rows["lost"]["problem"]
    assert set(rows) == {"local", "there", "here", "lost", "adb:DEF", "adb:GHI"}
    assert rows["adb:DEF"]["problem"] == (
        "the adb server at 127.0.0.1:5038 has it: write a device file with that 'server'"
    )


def test_an_address_that_two_servers_hold_is_one_phone(command, servers):
    address = "192.168.1.20:5555"
    servers[discovery.DEFAULT_SERVER] = [ServerDevice(address, "offline")]
    servers["127.0.0.1", 5038] = [ServerDevice(address, "unauthorized")]
    write_served("a", address="192.168.1.20", server="127.0.0.1:5038")
    write_served("b", address=address)
    rows = listed(command)
    assert set(rows) == {"local", "a", "b"}
    assert "unauthorised" in rows["a"]["problem"] and "offline" in rows["b"]["problem"]


@needs_adb
def test_a_real_server_on_a_port_of_its_own(command, pixel, tmp_path):
    with adb_server(tmp_path) as server:
        server.adb("connect", place(pixel))
        server.wait_for(place(pixel), "device")
        write_served("sim", serial=place(pixel), server=f"127.0.0.1:{server.port}")
        row = listed(command)["sim"]
    assert row["is_usable"] and row["transport"] == "server"


def test_the_table_names_phones(command, pixel):
    write_device("sim", place(pixel))
    assert "Pixel 7 Pro" in command("devices")[0]


def test_examples_are_not_listed(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    names = {row["name"] for row in json.loads(command("devices", "--json")[0])}
    assert "local" in names and not names & {"pixel7", "galaxy_s22", "raspberry_pi"}


def test_json_before_a_command_is_not_ignored(failing):
    assert "after 'describe'" in failing("devices", "--json", "describe", "local")


@pytest.mark.parametrize("name", ["describe", "setup"])
def test_help_shows_an_example(command, name):
    assert "Examples: " in command("devices", name, "--help")[0]
