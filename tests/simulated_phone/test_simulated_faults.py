"""Faults of the link, as a host sees them at different moments, and plans of faults."""

import json
import time
from pathlib import Path

import pytest

from tests.simulated_phone.host import Host
from tools.simulated_phone import Fault, SimulatedPhone
from tools.simulated_phone.faults import FaultPlan, read_faults
from tools.simulated_phone.wire import LinkClosedError, Packet

AWAY = ["cable_pulled", "adbd_killed", "rebooting"]


def wait_for_process(phone: SimulatedPhone) -> None:
    """Until a process begun in the background is there: the shell returns before it is."""
    deadline = time.monotonic() + 30
    while not phone.process_ids():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("kind", AWAY)
def test_a_phone_that_goes_while_a_host_connects(phone: SimulatedPhone, kind: str) -> None:
    phone.inject(Fault(kind, at="connect", seconds=0.05))
    with Host(phone) as host, pytest.raises(LinkClosedError):
        host.connect()
    phone.events.wait_for("listening")
    with Host(phone) as host:
        assert host.connect().shell("echo back")[0] == "back\n"
    assert [event.detail for event in phone.events.of("fault")] == [{"fault": kind, "at": "connect"}]


@pytest.mark.parametrize("kind", AWAY)
def test_a_phone_that_goes_during_a_command(phone: SimulatedPhone, host: Host, kind: str) -> None:
    phone.inject(Fault(kind, at="shell", after=1, seconds=0.8))
    assert host.shell("echo fine")[0] == "fine\n"
    with pytest.raises(LinkClosedError):
        host.shell("sleep 5")
    with pytest.raises(ConnectionRefusedError):
        Host(phone)
    phone.events.wait_for("listening")
    with Host(phone) as again:
        assert again.connect().shell("echo back")[0] == "back\n"


def test_a_pulled_cable_resets_and_a_killed_adbd_closes(phone: SimulatedPhone) -> None:
    for act, why in ((phone.pull_cable, "reset by peer"), (phone.kill_adbd, "the host closed")):
        returns = len(phone.events.of("listening"))
        with Host(phone) as host:
            host.connect()
            act(0.02)
            with pytest.raises(LinkClosedError, match=why):
                host.receive()
        phone.events.wait_for("listening", count=returns + 1)


def test_a_reboot_kills_processes_and_keeps_files(phone: SimulatedPhone, host: Host) -> None:
    host.push(b"kept", "/data/local/tmp/kept")
    host.shell("setsid sleep 100 >/dev/null 2>&1 &")
    wait_for_process(phone)
    phone.reboot(0.05)
    assert phone.process_ids() == []
    phone.events.wait_for("listening")
    with Host(phone) as again:
        assert again.connect().pull("/data/local/tmp/kept") == b"kept"


def test_services_come_up_after_adbd(phone: SimulatedPhone) -> None:
    phone.reboot(0.6, has_slow_services=True)
    phone.events.wait_for("listening")
    with Host(phone) as host:
        host.connect()
        assert host.shell("getprop sys.boot_completed; dumpsys battery")[:2] == (
            "\n",
            "Can't find service: battery\n",
        )
        while not phone.state.has_services:
            time.sleep(0.02)
        assert host.shell("getprop sys.boot_completed")[0] == "1\n"
        assert "level: 87" in host.shell("dumpsys battery")[0]


def test_silence(phone: SimulatedPhone, host: Host) -> None:
    phone.inject(Fault("silent", at="shell", seconds=0.4))
    start_s = time.monotonic()
    assert host.shell("echo late")[0] == "late\n"
    assert time.monotonic() - start_s > 0.35


def test_revoked_authorisation_asks_anew(tmp_path: Path) -> None:
    with SimulatedPhone(tmp_path, authorised=[]) as phone:
        phone.keys.add("a key")
        with Host(phone) as host:
            host.start()
            phone.revoke_authorisations()
            assert "a key" not in phone.keys
            with pytest.raises(LinkClosedError):
                host.receive()
        with Host(phone) as host:
            assert host.start().command == b"AUTH"
            host.send(Packet(b"AUTH", 3, 0, b"a key me@here\0"))
            phone.events.wait_for("key_offered")
            phone.approve()
            assert host.receive().command == b"CNXN"


def test_authorisation_revoked_before_a_host_connects(tmp_path: Path) -> None:
    with SimulatedPhone(tmp_path, authorised=["a key"]) as phone, Host(phone) as host:
        phone.inject(Fault("authorisation_revoked", at="connect"))
        assert host.start().command == b"AUTH"
        assert "a key" not in phone.keys


def test_two_phones_are_two(tmp_path: Path) -> None:
    with (
        SimulatedPhone(tmp_path / "a", serial="R58M1234A") as one,
        SimulatedPhone(tmp_path / "b", serial="R58M1234B") as two,
    ):
        serials = []
        for phone in (one, two):
            with Host(phone) as host:
                serials.append(host.connect().shell("getprop ro.serialno")[0].strip())
    assert serials == ["R58M1234A", "R58M1234B"]


def test_a_plan_counts_operations_of_its_kind() -> None:
    plan = FaultPlan()
    plan.inject(Fault("short_push", at="push", after=2, times=2))
    hits = [bool(plan.take("push")) for _ in range(6)]
    assert hits == [False, False, True, True, False, False]
    assert not plan.pending
    assert plan.take("pull") == []


def test_faults_from_a_file(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps([{"kind": "rebooting", "at": "push", "seconds": 5}, {"kind": "hung_binary"}]))
    assert read_faults(plan) == [Fault("rebooting", at="push", seconds=5), Fault("hung_binary")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"kind": "earthquake"}, "no fault 'earthquake'"),
        ({"kind": "hung_binary", "at": "push"}, "cannot happen at 'push', only at benchmark"),
        ({"kind": "hung_binary", "times": 0}, "times=0"),
    ],
)
def test_faults_that_cannot_be(arguments: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Fault(**arguments)
