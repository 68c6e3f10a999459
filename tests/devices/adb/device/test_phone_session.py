"""A person's session with a phone, by commands: list, describe, profile, interrupt, resume, verify.

Once straight over TCP, once through a real adb server; Debian's client agrees on what is there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from fbsearch.export import ConversionCache
from fbsearch.latency import LatencyTable
from fbsearch.spaces import load_space
from tests.devices.adb.link.adb_server import AdbServer, adb_server, needs_adb
from tools.simulated_phone.phone import SimulatedPhone

ROOT = Path(__file__).parents[4]
PROTOCOL = {
    "drift_tolerance": 5.0,
    "patience_s": 0,
    "cooldown_s": 0.1,
    "target_relative_ci": 0.5,
    "round_ms": 20,
    "min_rounds": 6,
    "max_rounds": 6,
    "initial_sentinel_readings": 2,
}

pytestmark = [pytest.mark.ci, pytest.mark.timeout(600), needs_adb]


class Person:
    """Runs commands in a folder of their own, with a home of their own.

    Args:
        folder: where they work.
        phone: on their desk.
        server: an adb server that has it, or None.
    """

    def __init__(self, folder: Path, phone: SimulatedPhone, server: AdbServer | None) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "FBSEARCH_CACHE": str(ConversionCache().folder),
        }
        definition = {
            "name": "phone",
            "kind": "adb",
            "address": f"127.0.0.1:{phone.port}",
            "transport": "tcp" if server is None else "server",
            "binary": str(ROOT / "tools" / "simulated_phone" / "benchmark_model"),
            "protocol": PROTOCOL,
        }
        if server is not None:
            definition["server"] = f"127.0.0.1:{server.port}"
        (folder / "devices").mkdir()
        (folder / "devices" / "phone.yaml").write_text(yaml.safe_dump(definition))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "fbsearch", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What a shell runs in the background ignores Ctrl-C, and would hand that down.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def run(self, *arguments: str) -> str:
        """What a command that succeeds prints."""
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr
        return stdout


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[SimulatedPhone]:
    with SimulatedPhone(tmp_path / "phone", authorised=[], approve_after_s=0.5) as simulated:
        yield simulated


@pytest.fixture(params=["direct", "server"])
def person(request: pytest.FixtureRequest, tmp_path: Path, phone: SimulatedPhone) -> Iterator[Person]:
    folder = tmp_path / "home"
    folder.mkdir()
    if request.param == "direct":
        yield Person(folder, phone, None)
        return
    with adb_server(folder) as server:
        serial = f"127.0.0.1:{phone.port}"
        server.adb("connect", serial)
        server.wait_for(serial, "device")
        assert server.adb("-s", serial, "shell", "getprop ro.product.model").strip() == "Pixel 7 Pro"
        yield Person(folder, phone, server)


def test_list_describe_profile_interrupt_resume_verify(person: Person, phone: SimulatedPhone) -> None:
    described = json.loads(person.run("devices", "describe", "phone", "--json"))
    assert "Pixel 7 Pro" in json.dumps(described)
    [listed] = [one for one in json.loads(person.run("devices", "--json")) if one["name"] == "phone"]
    assert listed["is_usable"] and listed["description"]["model"] == "Google Pixel 7 Pro"
    interrupt_and_resume_a_profile(person, phone)
    verify_a_model(person, phone)
    assert not phone.sandbox.to_host("/data/local/tmp/fbsearch").exists(), "nothing stays behind"
    assert not phone.fixed_performance


def interrupt_and_resume_a_profile(person: Person, phone: SimulatedPhone) -> None:
    command = ("profile", "--space", "digits", "--device", "phone", "--out", "table.json")
    journal = person.folder / "table.json.partial"
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        before = len(rounds(journal))
        process = person.start(*command)
        while process.poll() is None and len(rounds(journal)) < before + 30:
            time.sleep(0.05)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == code and "is kept" in stderr and "Traceback" not in stderr, stderr
        assert not phone.fixed_performance, "the mode is restored"
        assert not phone.sandbox.to_host("/data/local/tmp/fbsearch").exists(), "nothing stays behind"
    kept = rounds(journal)
    assert len(kept) >= 90
    person.run(*command)
    table = LatencyTable.load(person.folder / "table.json")
    for key, values in kept:
        assert tuple(values) in table.entries[key].rounds_us, "no round is lost"
    launches = [json.loads(row) for row in (person.folder / "table.launches.jsonl").read_text().splitlines()]
    assert sum("figures" in row for row in launches) > 6 * len(table.entries)
    assert table.runtime.package == "benchmark_model" and table.runtime.version.startswith("sha256:")
    assert table.device.model == "Google Pixel 7 Pro"


def rounds(journal: Path) -> list[tuple[str, list[float]]]:
    if not journal.exists():
        return []
    whole = journal.read_bytes()
    rows = [json.loads(line) for line in whole[: whole.rfind(b"\n") + 1].splitlines()]
    return [(row["operator"], row["round_us"]) for row in rows if "operator" in row]


def verify_a_model(person: Person, phone: SimulatedPhone) -> None:
    space = load_space("digits")
    architecture = person.folder / "architecture.json"
    space.decode([0] * len(space.decisions)).save(architecture)
    settings = ["--set", "epochs=1", "--set", "warmup_epochs=0", "--quiet"]
    person.run("train", str(architecture), "--data", "digits", "--limit", "200", "--out", "run", *settings)
    person.run("export", "run", "--to", "run/model.tflite")
    before = len(phone.events.of("launch"))
    verified = json.loads(person.run("verify", "run/model.tflite", "--device", "phone", "--json"))
    assert len(phone.events.of("launch")) > before
    assert verified["measured_ms"] > 0 and verified["top1_agreement"] == 1.0
    assert verified["num_device_samples"] == 4 and verified["device_max_abs_diff"] < 1e-3
    assert verified["device"] == "Google Pixel 7 Pro"
