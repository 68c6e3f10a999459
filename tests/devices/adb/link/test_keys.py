"""The key by which a device knows this computer."""

from __future__ import annotations

import base64
import os
import stat
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from adb_shell.auth.keygen import encode_pubkey, keygen
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fbsearch.devices.adb.link.keys import default_key_path, load_key
from fbsearch.errors import DeviceError

_PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_key_is_created_for_its_owner_only(tmp_path):
    path = tmp_path / ".android" / "adbkey"
    created = load_key(path, warn=pytest.fail)
    assert (mode_of(path.parent), mode_of(path)) == (0o700, 0o600)
    assert sorted(file.name for file in path.parent.iterdir()) == ["adbkey", "adbkey.pub"]
    assert path.with_name("adbkey.pub").read_bytes() == created.public_line
    assert load_key(path, warn=pytest.fail).public_line == created.public_line


def test_the_public_half_is_in_androids_format(tmp_path):
    path = tmp_path / "adbkey"
    key = load_key(path, warn=pytest.fail)
    encoded, name = key.public_line.split(b" ")
    assert base64.b64decode(encoded) == encode_pubkey(str(path))  # as adb-shell computes it
    assert b"@" in name
    assert key.fingerprint.count(":") == 15


def test_a_key_of_adb_shell_is_read(tmp_path):
    path = tmp_path / "adbkey"
    keygen(str(path))
    path.chmod(0o600)
    assert (
        load_key(path, warn=pytest.fail).public_line.split()[0]
        == (tmp_path / "adbkey.pub").read_bytes().split()[0]
    )


def test_a_signature_counts_the_token_as_a_ready_digest(tmp_path):
    key = load_key(tmp_path / "adbkey", warn=pytest.fail)
    words = struct.unpack("<II256s256sI", base64.b64decode(key.public_line.split()[0]))
    modulus = int.from_bytes(words[2], "little")
    token = os.urandom(20)
    opened = pow(int.from_bytes(key.Sign(token), "big"), words[4], modulus).to_bytes(256, "big")
    assert opened.endswith(b"\x00" + bytes.fromhex("3021300906052b0e03021a05000414") + token)


def test_a_key_that_others_can_read_is_used_with_a_warning(tmp_path):
    path = tmp_path / "adbkey"
    load_key(path, warn=pytest.fail)
    path.chmod(0o644)
    told: list[str] = []
    load_key(path, warn=told.append)
    assert len(told) == 1
    assert "chmod 600" in told[0]


def _passphrase() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(*_PEM, serialization.BestAvailableEncryption(b"secret"))


def _elliptic() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(*_PEM, serialization.NoEncryption())


def _short() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    return key.private_bytes(*_PEM, serialization.NoEncryption())


@pytest.mark.parametrize(
    "content",
    [
        lambda: b"",
        lambda: b"\x00\xff" * 50,
        lambda: b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        _passphrase,
        _elliptic,
        _short,
    ],
)
def test_a_broken_key_is_one_clear_error_and_stays(tmp_path, content):
    path = tmp_path / "adbkey"
    path.write_bytes(content())
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(DeviceError, match="no RSA private key of 2048 bits") as caught:
        load_key(path, warn=pytest.fail)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_folder_in_its_place(tmp_path):
    (tmp_path / "adbkey").mkdir()
    with pytest.raises(DeviceError, match="cannot read or create"):
        load_key(tmp_path / "adbkey", warn=pytest.fail)


def test_a_file_in_place_of_its_folder(tmp_path):
    (tmp_path / ".android").write_text("")
    with pytest.raises(DeviceError, match="cannot read or create"):
        load_key(tmp_path / ".android" / "adbkey", warn=pytest.fail)


def test_several_at_once_agree_on_one_key(tmp_path):
    path = tmp_path / "adbkey"
    with ThreadPoolExecutor(4) as pool:
        keys = list(pool.map(lambda _: load_key(path, warn=pytest.fail).public_line, range(4)))
    assert len(set(keys)) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["adbkey", "adbkey.pub"]


def test_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "adbkey"
    assert load_key(path, warn=pytest.fail).public_line == load_key(path, warn=pytest.fail).public_line


def test_the_default_is_the_adb_tools_own(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_key_path() == tmp_path / ".android" / "adbkey"
