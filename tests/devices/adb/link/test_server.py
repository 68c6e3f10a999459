"""Through an adb server: its list, its refusals, and the real one of the Debian package."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.devices.adb.link.connecting import connect
from fbsearch.devices.adb.link.connection import AdbAddress
from fbsearch.devices.adb.link.faults import server_refusal
from fbsearch.devices.adb.link.reconnecting import ReconnectingConnection
from fbsearch.devices.adb.link.server import (
    ServerDevice,
    choose_server,
    connect_server,
    list_server,
    parse_line,
)
from fbsearch.errors import ConnectionLostError, DeviceError, DeviceUnavailableError, FbsearchError
from tests.devices.adb.link.adb_server import adb_server, needs_adb
from tools.simulated_phone.faults import Fault
from tools.simulated_phone.phone import SimulatedPhone


class TestList:
    @pytest.mark.parametrize(
        ("line", "serial", "state", "tags"),
        [
            (
                "0A1B2C3D    device usb:1-2.3 product:panther model:Pixel_7 device:panther transport_id:4",
                "0A1B2C3D",
                "device",
                {
                    "usb": "1-2.3",
                    "product": "panther",
                    "model": "Pixel_7",
                    "device": "panther",
                    "transport_id": "4",
                },
            ),
            (
                "192.168.1.5:5555       offline product:x transport_id:12",
                "192.168.1.5:5555",
                "offline",
                {"product": "x"},
            ),
            ("emulator-5554          unauthorized transport_id:1", "emulator-5554", "unauthorized", {}),
            ("(no serial number)     device usb:1-1", "(no serial number)", "device", {"usb": "1-1"}),
            (
                "????????????           no permissions (user in plugdev group; are your udev rules wrong?); "
                "see [http://developer.android.com/tools/device.html] usb:1-4 transport_id:3",
                "????????????",
                "no permissions (user in plugdev group; are your udev rules wrong?); "
                "see [http://developer.android.com/tools/device.html]",
                {"usb": "1-4"},
            ),
            (
                "adb-X-Y._adb-tls-connect._tcp. device product:a",
                "adb-X-Y._adb-tls-connect._tcp.",
                "device",
                {},
            ),
            ("ABC\tdevice", "ABC", "device", {}),
        ],
    )
    def test_lines(self, line, serial, state, tags):
        device = parse_line(line)
        assert device is not None
        assert (device.serial, device.state) == (serial, state)
        assert device.tags.items() >= tags.items()

    @pytest.mark.parametrize("line", ["", "   ", "lonely"])
    def test_lines_that_are_none(self, line):
        assert parse_line(line) is None

    @given(st.text(max_size=80))
    def test_no_line_is_a_crash(self, line):
        parse_line(line)

    def test_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        assert list_server("127.0.0.1", port) is None

    @pytest.mark.parametrize(
        "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"OKAYzzzz", b"OKAY", b"FAIL0003no!"]
    )
    def test_something_else_listens(self, answer):
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                link, _ = listener.accept()
                with link:
                    link.recv(100)
                    link.sendall(answer)

            threading.Thread(target=serve, daemon=True).start()
            with pytest.raises(DeviceError, match="no adb server that works") as caught:
                list_server("127.0.0.1", listener.getsockname()[1])
        assert "\n" not in str(caught.value)


class TestChoice:
    def test_the_whole_serial(self):
        devices = [ServerDevice("ABC", "device"), ServerDevice("ABC1", "device")]
        assert choose_server(devices, "ABC") is devices[0]

    def test_a_prefix_is_no_match(self):
        with pytest.raises(DeviceUnavailableError, match=r"it has 'ABC1', 'ABC2'"):
            choose_server([ServerDevice("ABC1", "device"), ServerDevice("ABC2", "device")], "ABC")

    def test_a_port(self):
        devices = [ServerDevice("A", "device", {"usb": "1-2"}), ServerDevice("A", "device", {"usb": "1-3"})]
        assert choose_server(devices, "usb:1-3") is devices[1]
        with pytest.raises(
            DeviceUnavailableError, match=r"2 devices with serial 'A': 'A' at usb:1-2 .* usb:1-3"
        ):
            choose_server(devices, "A")

    @pytest.mark.parametrize(
        ("state", "reason", "remedy"),
        [
            ("unauthorized", "unauthorised", "tap Allow"),
            ("authorizing", "offline", "plug it in"),
            ("offline", "offline", "plug it in"),
            ("connecting", "offline", "plug it in"),
            ("no permissions (are your udev rules wrong?)", "no permission", "udev"),
            ("recovery", "offline", "adb reboot"),
            ("mystery", "offline", "'mystery'"),
        ],
    )
    def test_a_device_that_is_not_ready(self, state, reason, remedy):
        with pytest.raises(DeviceUnavailableError, match=remedy) as caught:
            choose_server([ServerDevice("A", state)], "A")
        assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("device 'A' not found", "absent"),
        ("device offline", "offline"),
        ("device still connecting", "offline"),
        ("device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", "unauthorised"),
        ("more than one device/emulator", "other"),
        ("insufficient permissions for device", "no permission"),
        ("closed", None),
        ("something new", None),
    ],
)
def test_refusals(message, kind):
    error = server_refusal(message, "A", "connecting")
    assert getattr(error, "reason", None) == kind
    assert "\n" not in str(error)


@given(st.text(max_size=200))
def test_no_refusal_is_a_crash(message):
    error = server_refusal(message, "A", "connecting")
    assert isinstance(error, FbsearchError)
    assert len(str(error).splitlines()) == 1


def test_no_server_is_started():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DeviceUnavailableError, match="no adb server runs"):
        connect_server(None, host="127.0.0.1", port=port)
    assert list_server("127.0.0.1", port) is None


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with adb_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@needs_adb
class TestRealServer:
    @pytest.fixture
    def phone(self, server, tmp_path):
        with SimulatedPhone(tmp_path / "phone") as phone:
            yield phone
        server.adb("disconnect", f"127.0.0.1:{phone.port}")

    @pytest.fixture
    def address(self, server, phone, tmp_path):
        return AdbAddress(
            host="127.0.0.1",
            port=phone.port,
            server_port=server.port,
            key=tmp_path / "adbkey",
            transport="server",
        )

    def test_the_official_client_agrees(self, server, phone, address):
        link = connect(address)
        assert f"127.0.0.1:{phone.port}\tdevice" in server.adb("devices")
        link.push(b"from us", "/data/local/tmp/x")
        assert server.adb("-s", link.serial, "shell", "cat /data/local/tmp/x") == "from us"

    def test_automatic_choice(self, server, phone, tmp_path):
        fields = {
            "host": "127.0.0.1",
            "port": phone.port,
            "server_port": server.port,
            "key": tmp_path / "adbkey",
        }
        straight = connect(AdbAddress(**fields))
        assert straight.transport == "tcp"
        straight.close()
        server.adb("connect", f"127.0.0.1:{phone.port}")
        server.wait_for(f"127.0.0.1:{phone.port}", "device")
        through = connect(AdbAddress(**fields))
        assert through.transport == "server"
        assert through.shell("echo hi", timeout_s=5).stdout == "hi\n"

    def test_a_phone_that_has_not_authorised_the_server(self, server, tmp_path):
        with SimulatedPhone(tmp_path / "locked", authorised=[]) as phone:
            serial = f"127.0.0.1:{phone.port}"
            server.adb("connect", serial)
            server.wait_for(serial, "unauthorized")
            with pytest.raises(DeviceUnavailableError, match="tap Allow") as caught:
                connect_server(serial, host="127.0.0.1", port=server.port)
            assert caught.value.reason == "unauthorised"
        server.adb("disconnect", serial)

    def test_nothing_listens_at_the_address(self, server):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(DeviceUnavailableError, match="plug it in"):
            connect(AdbAddress(host="127.0.0.1", port=port, server_port=server.port, transport="server"))

    @pytest.mark.parametrize("kind", ["cable_pulled", "rebooting", "adbd_killed"])
    def test_a_link_that_breaks_is_mended(self, phone, address, kind):
        told: list[str] = []
        link = ReconnectingConnection(
            lambda: connect(address), notify=told.append, patience_s=30, sleep=_shortly
        )
        phone.inject(Fault(kind, at="shell", seconds=0.5))
        assert link.shell("echo back", timeout_s=10).stdout == "back\n"
        assert phone.events.of("fault")
        assert "is back after" in told[-1]

    def test_a_server_that_ends(self, tmp_path):
        with SimulatedPhone(tmp_path / "phone") as phone:
            with adb_server(tmp_path) as server:
                address = AdbAddress(
                    host="127.0.0.1", port=phone.port, server_port=server.port, transport="server"
                )
                link = connect(address)
            with pytest.raises(ConnectionLostError, match="gone"):
                link.shell("true", timeout_s=5)
            with pytest.raises(ConnectionLostError, match="gone"):
                link.push(b"x", "/data/local/tmp/x")
            assert list_server("127.0.0.1", server.port) is None


def _shortly(seconds: float) -> None:
    time.sleep(min(seconds, 0.3))
