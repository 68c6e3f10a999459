"""``fbsearch devices``: what it lists."""

from __future__ import annotations

import json

import pytest

from tests.cli.phones import ROOT, place, unused_port, write_device

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
