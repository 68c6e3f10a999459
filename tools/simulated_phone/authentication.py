"""Which hosts may connect: RSA keys in ADB's own form, and signatures over a random token."""

from __future__ import annotations

import base64
import binascii
import struct
import threading
from collections.abc import Iterable

TOKEN_BYTES = 20
_KEY = struct.Struct("<II256s256sI")
_MODULUS_BYTES = 256
# PKCS#1: the DER header that says "a SHA-1 digest follows"; ADB takes the token for the digest itself.
_DIGEST_HEADER = bytes.fromhex("3021300906052b0e03021a05000414")


class KeyRing:
    """The keys that this phone accepts.

    Args:
        keys: public keys as in ``adbkey.pub``: base64, then optionally a comment.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._keys = {key_text(key) for key in keys}

    def add(self, key: str) -> None:
        """Accept a key from now on."""
        with self._lock:
            self._keys.add(key_text(key))

    def clear(self) -> None:
        """Forget every key."""
        with self._lock:
            self._keys.clear()

    def __contains__(self, key: str) -> bool:
        with self._lock:
            return key_text(key) in self._keys

    def accepts(self, token: bytes, signature: bytes) -> bool:
        """Whether one of the keys made this signature of the token."""
        with self._lock:
            keys = list(self._keys)
        return any(_is_signed(token, signature, key) for key in keys)


def key_text(key: str) -> str:
    """The base64 part of a public key's line."""
    return key.strip().strip("\0").partition(" ")[0]


def _is_signed(token: bytes, signature: bytes, key: str) -> bool:
    try:
        words, _, modulus_bytes, _, exponent = _KEY.unpack(base64.b64decode(key))
    except (binascii.Error, struct.error):
        return False
    modulus = int.from_bytes(modulus_bytes, "little")
    if words * 4 != _MODULUS_BYTES or len(signature) != _MODULUS_BYTES or modulus == 0:
        return False
    opened = pow(int.from_bytes(signature, "big"), exponent, modulus).to_bytes(_MODULUS_BYTES, "big")
    tail = b"\0" + _DIGEST_HEADER + token
    return opened == b"\0\1" + b"\xff" * (_MODULUS_BYTES - 2 - len(tail)) + tail
