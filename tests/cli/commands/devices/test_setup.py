"""``fbsearch devices setup``, of simulated phones and of ABIs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fbsearch.cli.commands.devices import setup
from fbsearch.devices.adb.benchmark import provisioning
from tests.cli.phones import BINARY, place, unused_port, write_device

pytestmark = pytest.mark.usefixtures("home")


def test_a_file_for_an_abi_is_pinned_and_found(command, home):
    _, said = command("devices", "setup", "--abi", "arm64-v8a", "--binary", BINARY)
    assert "taken from" in said and "SHA-256" in said
    kept = home / ".local/share/fbsearch/benchmark_model/arm64-v8a/benchmark_model"
    assert kept.read_bytes() == BINARY.read_bytes() and str(kept) in said.replace("\n", "")
    assert json.loads(kept.with_name("benchmark_model.json").read_text())["sha256"] in said


def test_a_phone_is_asked_for_its_abi(command, pixel):
    told = json.loads(command("devices", "setup", place(pixel), "--binary", BINARY, "--json")[0])
    assert told["abi"] == "arm64-v8a" and told["replaced_sha256"] is None and told["source"] == "file"
    described = json.loads(command("devices", "describe", place(pixel), "--json")[0])
    assert described["binary"]["sha256"] == told["sha256"]


def test_another_build_is_told(command, tmp_path):
    command("devices", "setup", "--abi", "arm64-v8a", "--binary", BINARY)
    other = tmp_path / "other"
    other.write_bytes(BINARY.read_bytes() + b"# newer\n")
    assert "it replaces" in command("devices", "setup", "--abi", "arm64-v8a", "--binary", other)[1]


def test_a_file_that_the_device_names_goes_first(command, pixel):
    write_device("sim", place(pixel), binary_sha256="0" * 64)
    assert "note: " in command("devices", "setup", "sim", "--binary", BINARY)[1]


def test_fetching(command, tmp_path, monkeypatch):
    shown = []

    def fetched(abi, *, url, sha256, progress):
        progress(3, 10)
        shown.append((abi, url, sha256))
        return provisioning.keep_binary(abi, BINARY)

    monkeypatch.setattr(provisioning, "fetch_binary", fetched)
    monkeypatch.setattr(setup, "show_progress", lambda quiet: not quiet)
    _, said = command("devices", "setup", "--abi", "arm64-v8a", "--url", "https://x.example/b")
    assert shown == [("arm64-v8a", "https://x.example/b", None)] and "fetched from" in said


def test_without_a_network_the_way_by_hand(failing, monkeypatch):
    address = f"https://127.0.0.1:{unused_port()}/benchmark_model"
    monkeypatch.setitem(provisioning.PUBLISHED, "arm64-v8a", address)
    line = failing("devices", "setup", "--abi", "arm64-v8a")
    assert address in line and "--abi arm64-v8a --binary FILE" in line


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--abi"),
        (["sim", "--abi", "arm64-v8a"], "either"),
        (["local"], "this computer"),
        (["nobody"], "nobody"),
        (["--abi", "sparc"], "arm64-v8a"),
        (["--abi", "../../etc"], "arm64-v8a"),
        (["--abi", "arm64-v8a", "--binary", "none"], "none"),
        (["--abi", "arm64-v8a", "--binary", "wrong"], "ELF"),
        (["--abi", "arm64-v8a", "--binary", BINARY, "--sha256", "0" * 64], "0" * 64),
        (["--abi", "arm64-v8a", "--binary", BINARY, "--sha256", "xyz"], "64 hexadecimal"),
        (["--abi", "arm64-v8a", "--binary", BINARY, "--url", "https://x.example"], "--url"),
        (["--abi", "arm64-v8a", "--url", "ftp://x.example/b"], "https://"),
    ],
)
def test_bad_input(failing, arguments, named):
    Path("wrong").write_bytes(b"MZ no ELF")
    assert named in failing("devices", "setup", *arguments)
