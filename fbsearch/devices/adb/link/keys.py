"""The RSA key by which a device knows this computer; the same file that the adb tools use."""

from __future__ import annotations

import base64
import contextlib
import getpass
import hashlib
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

from adb_shell.exceptions import InvalidResponseError
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from fbsearch.errors import DeviceError, UnreadableFileError
from fbsearch.files import KEY_BYTES, read_bytes

_TOKEN_BYTES = 20
_KEY_BITS = 2048  # the only size that adbd takes


class AdbKey:
    """A private key that signs a device's tokens.

    Args:
        private: RSA, 2048 bits.
        name: who it is, as the device may show it: ``user@host``.
    """

    def __init__(self, private: rsa.RSAPrivateKey, *, name: str) -> None:
        self._private = private
        self._name = name
        self._public = _android_format(private.public_key().public_numbers())

    @property
    def fingerprint(self) -> str:
        """MD5 of the public key, as Android's question on the screen shows it."""
        digest = hashlib.md5(self._public, usedforsecurity=False).hexdigest().upper()
        return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))

    @property
    def public_line(self) -> bytes:
        """The content of the ``.pub`` file: base64 of the key, and its name."""
        return base64.b64encode(self._public) + b" " + self._name.encode()

    def Sign(self, data: bytes) -> bytes:
        """The signature of a token of 20 bytes, which counts as a ready SHA-1 digest.

        Raises:
            InvalidResponseError: if it has another length: the device does not speak ADB.
        """
        if len(data) != _TOKEN_BYTES:
            raise InvalidResponseError(f"a token of {len(data)} bytes")
        return self._private.sign(data, padding.PKCS1v15(), utils.Prehashed(hashes.SHA1()))

    def GetPublicKey(self) -> bytes:
        """:attr:`public_line`."""
        return self.public_line


def default_key_path() -> Path:
    """Where the adb tools keep their key."""
    return Path.home() / ".android" / "adbkey"


def load_key(path: Path | None = None, *, warn: Callable[[str], None]) -> AdbKey:
    """The key in ``path``, created if there is none.

    Args:
        path: the private key's file; None for :func:`default_key_path`.
        warn: told when others can read the file.

    Raises:
        DeviceError: if it cannot be read or written, or holds no RSA key of 2048 bits without passphrase.
    """
    path = default_key_path() if path is None else path
    try:
        if not path.exists():
            _create(path)
        content = read_bytes(path, most_bytes=KEY_BYTES)
        mode = stat.S_IMODE(path.stat().st_mode)
    except (OSError, UnreadableFileError) as error:
        raise DeviceError(
            f"{path}: cannot read or create the ADB key: {getattr(error, 'strerror', None) or error}; "
            "correct its rights or name another file as the device's key"
        ) from None
    if os.name == "posix" and mode & 0o077:
        warn(
            f"{path}: others can read this private key (mode {mode:04o}) "
            f"and so use your phone: chmod 600 {path}"
        )
    return AdbKey(_parse(content, path), name=_user_and_host())


def _parse(content: bytes, path: Path) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != _KEY_BITS:
        raise DeviceError(
            f"{path}: holds no RSA private key of {_KEY_BITS} bits in PEM format without passphrase; "
            "move the file away for a new one to be made, or name another as the device's key"
        )
    return key


def _create(path: Path) -> None:
    """Write a new key and its public half; where another process was quicker, its key stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = AdbKey(private, name=_user_and_host()).public_line
    if _write_new(path, pem, 0o600):
        _write_new(path.with_name(path.name + ".pub"), public, 0o644)


def _write_new(path: Path, content: bytes, mode: int) -> bool:
    """Write a file whole; False where it exists already."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # readable by its owner only
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        try:
            path.hardlink_to(temporary)  # unlike a rename it never replaces
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if path.exists():
                return False
            temporary.replace(path)
        return True
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _android_format(numbers: rsa.RSAPublicNumbers) -> bytes:
    """A public key as adbd keeps it: words, -1/n mod 2^32, n, 2^4096 mod n, exponent, little-endian."""
    size = _KEY_BITS // 8
    inverse = (1 << 32) - pow(numbers.n, -1, 1 << 32)
    square = (1 << (2 * _KEY_BITS)) % numbers.n
    return struct.pack(
        f"<II{size}s{size}sI",
        size // 4,
        inverse,
        numbers.n.to_bytes(size, "little"),
        square.to_bytes(size, "little"),
        numbers.e,
    )


def _user_and_host() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = "unknown"
    return f"{user}@{socket.gethostname() or 'unknown'}"
