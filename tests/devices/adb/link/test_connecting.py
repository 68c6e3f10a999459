"""Which way is taken to a device, and what becomes of a link that breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from fbsearch.devices.adb.link import connecting
from fbsearch.devices.adb.link.connecting import connect
from fbsearch.devices.adb.link.connection import AdbAddress, ShellResult
from fbsearch.devices.adb.link.direct import connect_tcp
from fbsearch.devices.adb.link.keys import load_key
from fbsearch.devices.adb.link.reconnecting import ReconnectingConnection
from fbsearch.devices.adb.link.server import ServerDevice
from fbsearch.errors import (
    ConnectionLostError,
    ConnectionTimeoutError,
    DependencyError,
    DeviceError,
    DeviceUnavailableError,
)
from tools.simulated_phone.faults import Fault
from tools.simulated_phone.phone import SimulatedPhone

NO_SERVER = 1  # nobody listens on that TCP port


class TestChoice:
    """The way that ``auto`` takes, by what the server lists."""

    @pytest.fixture
    def ways(self, monkeypatch, tmp_path):
        self.listed: list[ServerDevice] | None = None
        monkeypatch.setattr(connecting, "list_server", lambda *_: self.listed)
        monkeypatch.setattr(connecting, "attach", lambda *_, **__: None)
        monkeypatch.setattr(connecting, "connect_server", lambda serial, **_: ("server", serial))
        monkeypatch.setattr(connecting, "connect_tcp", lambda host, port, *_, **__: ("tcp", host, port))
        monkeypatch.setattr(connecting, "connect_usb", lambda serial, *_, **__: ("usb", serial))
        return lambda **fields: connect(AdbAddress(key=tmp_path / "adbkey", **fields))

    def test_no_server(self, ways):
        assert ways() == ("usb", None)
        assert ways(serial="ABC") == ("usb", "ABC")
        assert ways(serial="usb:1-2") == ("usb", "usb:1-2")
        assert ways(host="phone") == ("tcp", "phone", 5555)
        assert ways(serial="10.0.0.5:5556") == ("tcp", "10.0.0.5", 5556)
        assert ways(serial="[fe80::1]:5555") == ("tcp", "fe80::1", 5555)

    def test_a_server_that_has_the_device(self, ways):
        self.listed = [ServerDevice("ABC", "device"), ServerDevice("10.0.0.5:5555", "device")]
        assert ways(serial="ABC") == ("server", "ABC")
        assert ways(host="10.0.0.5") == ("server", "10.0.0.5:5555")
        assert ways(host="10.0.0.5", port=5556) == ("tcp", "10.0.0.5", 5556)

    def test_a_serial_matches_whole_or_not_at_all(self, ways):
        self.listed = [ServerDevice("ABC1", "device")]
        assert ways(serial="ABC") == ("usb", "ABC")

    def test_the_only_device_of_the_server(self, ways):
        self.listed = [ServerDevice("ABC", "device")]
        assert ways() == ("server", None)

    def test_an_empty_server(self, ways):
        self.listed = []
        assert ways() == ("usb", None)

    def test_the_server_holds_a_device_that_is_not_ready(self, ways):
        self.listed = [ServerDevice("ABC", "unauthorized"), ServerDevice("10.0.0.5:5555", "offline")]
        assert ways(serial="ABC") == ("server", "ABC")  # whose error tells the state
        assert ways(host="10.0.0.5") == ("tcp", "10.0.0.5", 5555)

    @pytest.mark.parametrize(
        "problem", [DependencyError("no libusb"), DeviceUnavailableError("none", reason="absent")]
    )
    def test_neither_the_server_nor_usb_has_it(self, ways, monkeypatch, problem):
        def fail(*_: object, **__: object) -> None:
            raise problem

        monkeypatch.setattr(connecting, "connect_usb", fail)
        self.listed = [ServerDevice("ABC1", "device")]
        with pytest.raises(
            DeviceUnavailableError, match=r"no device 'ABC'; it has 'ABC1' \(serials must match whole\)"
        ):
            ways(serial="ABC")
        self.listed = None
        with pytest.raises(type(problem)):
            ways(serial="ABC")

    def test_a_strange_server_is_told_and_left_alone(self, ways, monkeypatch, tmp_path):
        def strange(*_: object) -> None:
            raise DeviceError("no adb server")

        monkeypatch.setattr(connecting, "list_server", strange)
        told: list[str] = []
        assert connect(AdbAddress(key=tmp_path / "adbkey"), notify=told.append) == ("usb", None)
        assert told == ["no adb server"]

    def test_a_way_that_was_asked_for(self, ways):
        self.listed = [ServerDevice("10.0.0.5:5555", "device")]
        assert ways(host="10.0.0.5", transport="tcp") == ("tcp", "10.0.0.5", 5555)
        assert ways(host="10.0.0.5", transport="server") == ("server", "10.0.0.5:5555")
        assert ways(serial="ABC", transport="usb") == ("usb", "ABC")
        with pytest.raises(DeviceError, match="needs the device's address"):
            ways(transport="tcp")


class FakeConnection:
    """Does what it was told to, call by call."""

    serial, transport = "FAKE", "tcp"

    def __init__(self, *outcomes: object) -> None:
        self.outcomes = list(outcomes)
        self.calls: list[str] = []
        self.is_closed = False

    def shell(self, command: str, *, timeout_s: float) -> ShellResult:
        self.calls.append(command)
        if "/proc/" in command:
            return ShellResult("", "", 0)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return ShellResult(str(outcome), "", 0)

    def close(self) -> None:
        self.is_closed = True


class World:
    """Time that passes only by sleeping, and what was told."""

    def __init__(self, *links: object) -> None:
        self.links = list(links)
        self.now = 0.0
        self.slept: list[float] = []
        self.told: list[str] = []

    def connect(self) -> FakeConnection:
        link = self.links.pop(0) if len(self.links) > 1 else self.links[0]
        if isinstance(link, Exception):
            raise link
        assert isinstance(link, FakeConnection)
        return link

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def open(self, **options: float) -> ReconnectingConnection:
        return ReconnectingConnection(
            self.connect, notify=self.told.append, sleep=self.sleep, clock=lambda: self.now, **options
        )


LOST = ConnectionLostError("the link broke")
AWAY = DeviceUnavailableError("absent", reason="absent")


class TestReconnecting:
    def test_the_call_is_repeated_on_a_fresh_link(self):
        first, second = FakeConnection("a", LOST), FakeConnection("b")
        world = World(first, second)
        connection = world.open()
        seen = []
        connection.on_reconnected(seen.append)
        assert [connection.shell("x", timeout_s=1).stdout for _ in range(2)] == ["a", "b"]
        assert first.is_closed
        assert seen == [second]
        assert len(world.told) == 2
        assert "connecting again for up to 180 s" in world.told[0]
        assert "is back after 1 s" in world.told[1]

    def test_what_was_left_running_is_killed_before_anything_else(self):
        second = FakeConnection("b")
        World(FakeConnection(LOST), second).open().shell("x", timeout_s=1)
        assert "kill -9" in second.calls[0]
        assert second.calls[1].endswith("\nx")

    def test_waits_grow_and_are_bounded(self):
        world = World(FakeConnection(LOST), *[AWAY] * 7, FakeConnection("b"))
        assert world.open().shell("x", timeout_s=1).stdout == "b"
        assert world.slept == [1, 2, 4, 8, 15, 15, 15, 15]

    def test_patience_ends(self):
        world = World(FakeConnection(LOST), AWAY)
        connection = world.open(patience_s=60)
        with pytest.raises(ConnectionLostError, match="did not come back within 60 s: absent"):
            connection.shell("x", timeout_s=1)
        assert 60 <= world.now < 80
        with pytest.raises(ConnectionLostError, match="given up"):
            connection.shell("x", timeout_s=1)
        assert world.now < 80

    @pytest.mark.parametrize("reason", ["unauthorised", "other"])
    def test_what_a_person_must_decide_is_not_waited_for(self, reason):
        world = World(FakeConnection(LOST), DeviceUnavailableError("look at the screen", reason=reason))
        with pytest.raises(DeviceUnavailableError, match="look at the screen"):
            world.open().shell("x", timeout_s=1)

    def test_one_call_does_not_fail_for_ever(self):
        links = [FakeConnection(LOST) for _ in range(9)]
        world = World(*links)
        with pytest.raises(ConnectionLostError, match="gave up after 5 failures in a row"):
            world.open().shell("x", timeout_s=1)
        assert len(world.links) == 4

    @pytest.mark.parametrize("error", [DeviceError("refused"), ConnectionTimeoutError("hangs")])
    def test_other_errors_pass_through_at_once(self, error):
        world = World(FakeConnection(error, "next"))
        connection = world.open()
        with pytest.raises(type(error)):
            connection.shell("x", timeout_s=1)
        assert world.slept == []
        assert connection.shell("x", timeout_s=1).stdout == "next"

    def test_a_hook_that_loses_the_link_is_tried_again(self):
        world = World(FakeConnection(LOST), FakeConnection(), FakeConnection("c"))
        connection = world.open()
        calls = []

        def hook(link: FakeConnection) -> None:
            calls.append(link)
            if len(calls) == 1:
                raise LOST

        connection.on_reconnected(hook)
        assert connection.shell("x", timeout_s=1).stdout == "c"
        assert len(calls) == 2
        assert calls[0].is_closed

    def test_nothing_works_after_closing(self):
        world = World(FakeConnection("a"))
        connection = world.open()
        connection.close()
        connection.close()
        with pytest.raises(ConnectionLostError, match="closed"):
            connection.shell("x", timeout_s=1)


@pytest.fixture
def phone(tmp_path):
    with SimulatedPhone(tmp_path / "phone") as phone:
        yield phone


@pytest.fixture
def link(phone, tmp_path):
    """A reconnecting connection to the phone, quicker than a person's patience."""
    address = AdbAddress(host="127.0.0.1", port=phone.port, server_port=NO_SERVER, key=tmp_path / "adbkey")
    told: list[str] = []
    connection = ReconnectingConnection(
        lambda: connect(address, notify=told.append),
        notify=told.append,
        patience_s=20,
        sleep=lambda seconds: time.sleep(min(seconds, 0.2)),
    )
    yield connection
    connection.close()


LINK_FAULTS = ["cable_pulled", "rebooting", "adbd_killed"]
CALLS: dict[str, Callable[[ReconnectingConnection], object]] = {
    "shell": lambda link: link.shell("echo once; echo again >&2", timeout_s=10).stdout == "once\n",
    "push": lambda link: link.push(b"x" * 300_000, "/data/local/tmp/x", timeout_s=10) is None,
    "pull": lambda link: link.pull("/data/local/tmp/x", timeout_s=10) == b"x" * 300_000,
}


class TestFaults:
    @pytest.mark.parametrize("at", list(CALLS))
    @pytest.mark.parametrize("kind", LINK_FAULTS)
    def test_a_link_that_breaks_is_mended(self, phone, link, kind, at):
        link.push(b"x" * 300_000, "/data/local/tmp/x")
        phone.inject(Fault(kind, at=at, seconds=0.5))
        assert CALLS[at](link)
        assert phone.events.of("fault")

    def test_a_silent_phone(self, phone, link):
        phone.inject(Fault("silent", at="shell", seconds=2))
        link.shell("true", timeout_s=10)
        assert phone.events.of("fault")

    @pytest.mark.parametrize(
        "command", ["cd /data/local/tmp && sleep 62; true", "(sleep 62; true) & sleep 62; true"]
    )
    def test_a_command_that_hangs_leaves_nothing_running(self, phone, link, command):
        with pytest.raises(ConnectionTimeoutError, match=r"^\(?sleep did not end"):
            link.shell(command, timeout_s=0.5)
        _wait_until_idle(phone)

    def test_a_command_cut_off_leaves_nothing_running(self, phone, link):
        # The first time, it sleeps when the cable is pulled.
        flag = "/data/local/tmp/started"
        cable = threading.Timer(1, phone.pull_cable, [0.5])
        cable.start()
        command = f"test -e {flag} && exit 7; touch {flag}; sleep 63; true"
        assert link.shell(command, timeout_s=20).exit_code == 7
        _wait_until_idle(phone)


class TestAuthorisation:
    @pytest.fixture
    def key(self, tmp_path):
        return load_key(tmp_path / "adbkey", warn=pytest.fail)

    def test_the_first_time_a_person_allows_it(self, tmp_path, key):
        told: list[str] = []
        with SimulatedPhone(tmp_path / "phone", authorised=[], approve_after_s=0.3) as phone:
            for _ in range(2):
                link = connect_tcp("127.0.0.1", phone.port, key, notify=told.append)
                assert link.shell("echo in", timeout_s=5).stdout == "in\n"
                link.close()
        assert len(told) == 1
        assert key.fingerprint in told[0]

    def test_a_known_key_asks_nobody(self, tmp_path, key):
        with SimulatedPhone(tmp_path / "phone", authorised=[key.public_line.decode()]) as phone:
            link = connect_tcp("127.0.0.1", phone.port, key, notify=pytest.fail)
            assert link.shell("echo in", timeout_s=5).stdout == "in\n"
            link.close()

    def test_nobody_allows_it(self, tmp_path, key):
        with (
            SimulatedPhone(tmp_path / "phone", authorised=[]) as phone,
            pytest.raises(DeviceUnavailableError, match="tap Allow") as caught,
        ):
            connect_tcp("127.0.0.1", phone.port, key, notify=lambda _: None, auth_timeout_s=0.3)
        assert caught.value.reason == "unauthorised"

    def test_revoked_in_the_middle(self, tmp_path, key):
        told: list[str] = []
        with SimulatedPhone(tmp_path / "phone", authorised=[key.public_line.decode()]) as phone:
            link = ReconnectingConnection(
                lambda: connect_tcp("127.0.0.1", phone.port, key, notify=told.append, auth_timeout_s=0.3),
                notify=told.append,
                sleep=lambda _: None,
            )
            phone.inject(Fault("authorisation_revoked", at="shell"))
            with pytest.raises(DeviceUnavailableError, match="tap Allow"):
                link.shell("true", timeout_s=5)
        assert "look at its screen" in told[-1]


def _wait_until_idle(phone: SimulatedPhone) -> None:
    end = time.monotonic() + 5
    while phone.process_ids():
        assert time.monotonic() < end, "something still runs on the phone"
        time.sleep(0.05)
