"""What is found on USB, in an adb server and at addresses, and what a person is told to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fbsearch.devices.adb.link import discovery
from fbsearch.devices.adb.link.direct import connect_usb
from fbsearch.devices.adb.link.discovery import discover
from fbsearch.devices.adb.link.keys import load_key
from fbsearch.devices.adb.link.packet_stream import _pieces, _unaligned
from fbsearch.devices.adb.link.server import ServerDevice
from fbsearch.errors import ConnectionTimeoutError, DependencyError, DeviceError, DeviceUnavailableError
from tests.devices.adb.link.fake_usb import (
    FakeDevice,
    USBErrorAccess,
    USBErrorBusy,
    plug_in,
    without_libusb,
)
from tools.simulated_phone.faults import Fault
from tools.simulated_phone.phone import SimulatedPhone


@pytest.fixture
def phone(tmp_path):
    with SimulatedPhone(tmp_path / "phone") as phone:
        yield phone


@pytest.fixture
def key(tmp_path):
    return load_key(tmp_path / "adbkey", warn=pytest.fail)


@pytest.fixture
def served(monkeypatch):
    """What the adb server lists; None where none runs."""
    listed: list[ServerDevice] = []
    monkeypatch.setattr(discovery, "list_server", lambda *_: listed or None)
    return listed


@pytest.fixture
def look(served, tmp_path):
    return lambda **options: discover(key=tmp_path / "adbkey", **options)


class TestUsb:
    def test_a_whole_session(self, monkeypatch, phone, key):
        plug_in(monkeypatch, FakeDevice("ABC", tcp_port=phone.port))
        link = connect_usb("ABC", key, notify=pytest.fail)
        assert (link.serial, link.transport) == ("ABC", "usb")
        assert link.shell("echo hi; exit 4", timeout_s=5).exit_code == 4
        for size in (0, 55, 56, 120, 65528, 300_000):
            link.push(b"x" * size, "/data/local/tmp/x")
            assert link.pull("/data/local/tmp/x") == b"x" * size
        assert link.shell("printf %s " + "y" * 300, timeout_s=5).stdout == "y" * 300
        with pytest.raises(ConnectionTimeoutError):
            link.shell("sleep 64", timeout_s=0.3)
        assert link.shell("echo hi", timeout_s=5).stdout == "hi\n"
        link.close()

    @pytest.mark.parametrize("length", [1, 510, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097])
    def test_no_transfer_ends_on_a_packets_border(self, length):
        assert len(_unaligned(b"s" * length)) % 512
        for limit in (256, 700, 1024, 4096):
            pieces = _pieces(b"x" * length, limit)
            assert b"".join(pieces) == b"x" * length
            assert all(len(piece) % 512 and len(piece) <= limit for piece in pieces)

    def test_the_cable_is_pulled(self, monkeypatch, phone, key):
        plug_in(monkeypatch, FakeDevice("ABC", tcp_port=phone.port))
        link = connect_usb(None, key, notify=pytest.fail)
        phone.inject(Fault("cable_pulled", at="shell"))
        with pytest.raises(DeviceError, match=r"USB link .*: check the cable"):
            link.shell("sleep 1", timeout_s=5)

    def test_prefixes_are_no_matches(self, monkeypatch, key):
        plug_in(monkeypatch, FakeDevice("ABC1", ports=(1,)), FakeDevice("ABC2", ports=(2,)))
        with pytest.raises(
            DeviceUnavailableError, match=r"attached are 'ABC1', 'ABC2' \(serials must match whole\)"
        ):
            connect_usb("ABC", key, notify=pytest.fail)

    def test_one_serial_twice_names_both_ports(self, monkeypatch, phone, key):
        twins = FakeDevice("ABC", ports=(1, 4)), FakeDevice("ABC", ports=(2,), tcp_port=phone.port)
        plug_in(monkeypatch, *twins)
        with pytest.raises(DeviceUnavailableError, match=r"usb:1-1\.4 \(ABC\) and usb:1-2 \(ABC\)"):
            connect_usb("ABC", key, notify=pytest.fail)
        link = connect_usb("usb:1-2", key, notify=pytest.fail)
        assert link.shell("echo hi", timeout_s=5).stdout == "hi\n"

    @pytest.mark.parametrize(
        ("device", "reason", "remedy"),
        [
            (FakeDevice("ABC", claim=USBErrorBusy()), "busy", "adb kill-server"),
            (FakeDevice("ABC", claim=USBErrorAccess()), "no permission", "udev"),
            (FakeDevice("ABC", problem=USBErrorAccess()), "no permission", "udev"),
            (FakeDevice("ABC", tcp_port=1), "absent", "plug it in"),
            (FakeDevice("ABC", is_adb=False), "absent", "USB debugging"),
        ],
    )
    def test_a_device_that_cannot_be_used(self, monkeypatch, key, device, reason, remedy):
        plug_in(monkeypatch, device)
        with pytest.raises(DeviceUnavailableError, match=remedy) as caught:
            connect_usb("ABC", key, notify=pytest.fail)
        assert caught.value.reason == reason

    def test_without_libusb(self, monkeypatch, key):
        without_libusb(monkeypatch)
        with pytest.raises(DependencyError, match="pip install libusb1"):
            connect_usb(None, key, notify=pytest.fail)

    def test_a_libusb_that_does_not_start_costs_only_usb(self):
        code = (
            "import usb1\n"
            "def fail(self): raise usb1.USBErrorOther()\n"
            "usb1.USBContext.open = fail\n"
            "from fbsearch.devices.adb.link.direct import UsbTransport, connect_tcp\n"
            "from fbsearch.devices.adb.link.usb import list_usb\n"
            "from fbsearch.errors import DependencyError\n"
            "assert UsbTransport is None\n"
            "try: list_usb()\n"
            "except DependencyError as error: print(error)\n"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "USB needs libusb (USBErrorOther" in run.stdout


class TestDiscover:
    def test_nothing_at_all(self, monkeypatch, look):
        plug_in(monkeypatch)
        assert look() == ([], [])

    def test_without_libusb_the_rest_is_still_found(self, monkeypatch, look, served):
        without_libusb(monkeypatch)
        served.append(ServerDevice("ABC", "device", {"model": "Pixel_7"}))
        found, hints = look()
        assert [(device.serial, device.transport, device.state, device.model) for device in found] == [
            ("ABC", "server", "ready", "Pixel_7")
        ]
        assert len(hints) == 1
        assert "libusb" in hints[0]

    def test_a_device_that_the_server_holds_is_listed_once(self, monkeypatch, look, served):
        served.append(ServerDevice("ABC", "device", {"usb": "1-2"}))
        served.append(ServerDevice("DEF", "offline"))
        plug_in(
            monkeypatch,
            FakeDevice("ABC", ports=(2,), claim=USBErrorBusy()),
            FakeDevice("DEF", ports=(3,), claim=USBErrorBusy()),
            FakeDevice("GHI", ports=(4,), claim=USBErrorBusy()),
        )
        found, _ = look()
        assert [(device.serial, device.transport, device.state) for device in found] == [
            ("ABC", "server", "ready"),
            ("DEF", "server", "offline"),
            ("GHI", "usb", "busy"),
        ]
        assert found[0].remedy is None
        assert "adb kill-server" in str(found[2].remedy)

    def test_a_phone_on_usb(self, monkeypatch, look, phone):
        plug_in(monkeypatch, FakeDevice("ABC", tcp_port=phone.port))
        (device,), hints = look()
        assert (device.serial, device.transport, device.state, device.remedy) == ("ABC", "usb", "ready", None)
        assert device.model == "Pixel 7 Pro"
        assert hints == []

    def test_looking_asks_nobody(self, monkeypatch, look, tmp_path, key):
        with SimulatedPhone(tmp_path / "locked", authorised=[]) as phone:
            plug_in(monkeypatch, FakeDevice("ABC", tcp_port=phone.port))
            (device,), _ = look()
            assert device.state == "unauthorised"
            assert "allow this computer" in str(device.remedy)
            assert not phone.events.of("key_offered")

    def test_looking_creates_no_key(self, monkeypatch, look, tmp_path):
        with SimulatedPhone(tmp_path / "locked", authorised=[]) as phone:
            plug_in(monkeypatch, FakeDevice("ABC", tcp_port=phone.port))
            (device,), _ = look()
        assert device.state == "unauthorised"
        assert not (tmp_path / "adbkey").exists()

    def test_no_permission(self, monkeypatch, look):
        plug_in(monkeypatch, FakeDevice("ABC", ports=(3,), problem=USBErrorAccess()))
        (device,), _ = look()
        assert (device.serial, device.state) == ("usb:1-3", "no permission")
        assert "udev" in str(device.remedy)

    def test_twins_are_listed_by_port(self, monkeypatch, look, served):
        served += [ServerDevice("S", "device", {"usb": "2-1"}), ServerDevice("S", "device", {"usb": "2-2"})]
        plug_in(monkeypatch, FakeDevice("ABC", ports=(1,)), FakeDevice("ABC", ports=(2,)))
        found, _ = look()
        assert [device.serial for device in found] == ["usb:2-1", "usb:2-2", "usb:1-1", "usb:1-2"]
        assert "another device has serial 'S' too" in str(found[0].remedy)

    def test_addresses(self, monkeypatch, look, served, phone):
        plug_in(monkeypatch)
        addresses = [("127.0.0.1", phone.port), ("127.0.0.1", 1)]
        found, _ = look(addresses=addresses)
        assert [(device.transport, device.state) for device in found] == [
            ("tcp", "ready"),
            ("tcp", "offline"),
        ]
        served.append(ServerDevice(f"127.0.0.1:{phone.port}", "device"))
        found, _ = look(addresses=addresses[:1])
        assert [device.transport for device in found] == ["server"]

    def test_an_address_given_twice_is_one_device(self, monkeypatch, look, phone):
        plug_in(monkeypatch)
        found, _ = look(addresses=[("127.0.0.1", phone.port)] * 2)
        assert [(device.transport, device.state) for device in found] == [("tcp", "ready")]

    def test_servers_that_are_asked_for(self, monkeypatch, tmp_path):
        held = {
            discovery.DEFAULT_SERVER: [ServerDevice("ABC", "device", {"usb": "1-2"})],
            ("127.0.0.1", 5038): [ServerDevice("ABC", "device"), ServerDevice("DEF", "offline")],
        }
        monkeypatch.setattr(discovery, "list_server", lambda *server: held.get(server))
        plug_in(monkeypatch, FakeDevice("DEF", ports=(3,), claim=USBErrorBusy()))
        servers = [("127.0.0.1", 5038), discovery.DEFAULT_SERVER, ("127.0.0.1", 5039), ("127.0.0.1", 5038)]
        found, hints = discover(servers=servers, key=tmp_path / "adbkey")
        assert [(device.serial, device.server, device.state) for device in found] == [
            ("ABC", discovery.DEFAULT_SERVER, "ready"),
            ("ABC", ("127.0.0.1", 5038), "ready"),
            ("DEF", ("127.0.0.1", 5038), "offline"),
        ]
        assert found[0].remedy is found[1].remedy is None, "no twins: each is alone at its server"
        assert hints == ["no adb server runs at 127.0.0.1:5039, which a device file names as its 'server'"]

    @pytest.mark.parametrize(
        "address", [("a\0b", 5555), ("x" * 300, 5555), ("127.0.0.1", 70_000), ("127.0.0.1", -1)]
    )
    def test_addresses_that_are_none(self, monkeypatch, look, address):
        plug_in(monkeypatch)
        (device,), _ = look(addresses=[address])
        assert device.state == "offline"
        assert "\n" not in str(device.remedy)

    def test_a_broken_key_is_a_hint(self, monkeypatch, look, tmp_path):
        (tmp_path / "adbkey").write_text("no key")
        (tmp_path / "adbkey").chmod(0o600)
        plug_in(monkeypatch)
        found, hints = look()
        assert found == []
        assert "no RSA private key" in hints[0]
