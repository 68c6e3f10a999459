"""Strings that reach a device's shell or file system: quoted, or refused."""

from __future__ import annotations

import re
import shlex

from fbsearch.errors import DeviceError

_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
_FOLDER = re.compile(r"(/[A-Za-z0-9._-]+)+")
_MAX_PATH_BYTES = 1024  # adbd's limit on a path


def quote(text: str) -> str:
    """``text`` as one word of a POSIX shell, whatever it holds.

    Raises:
        DeviceError: if it holds a NUL character or is not encodable: no shell word can.

    >>> quote("a b; $(reboot)")
    "'a b; $(reboot)'"
    """
    encode(text)
    return shlex.quote(text)


def encode(text: str) -> bytes:
    """The UTF-8 bytes of a command, a path or a serial.

    Raises:
        DeviceError: if the text holds a NUL character, where a device would cut it off, or has no UTF-8 form.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise DeviceError(f"{text!a} has no UTF-8 form; use ordinary characters") from None
    if b"\0" in data:
        raise DeviceError(f"{text!a} holds a NUL character, which a device's shell cannot take; remove it")
    return data


def remote_path(folder: str, name: str) -> str:
    """The path of file ``name`` directly in our ``folder`` on the device.

    Raises:
        DeviceError: if ``folder`` is not absolute and plain, or ``name`` could lead out of it.

    >>> remote_path("/data/local/tmp/fbsearch", "block-3.tflite")
    '/data/local/tmp/fbsearch/block-3.tflite'
    """
    if not _FOLDER.fullmatch(folder) or {".", ".."} & set(folder.split("/")):
        raise DeviceError(
            f"{folder!a} cannot be a folder on the device; give an absolute path "
            "of letters, digits, '.', '_' and '-', without '..'"
        )
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise DeviceError(
            f"{name!a} cannot be a file's name on the device; use up to 200 letters, digits, '.', '_' and '-'"
        )
    path = f"{folder}/{name}"
    check_remote(path)
    return path


def one_line(text: str, *, limit: int = 200) -> str:
    """``text`` from elsewhere, fit for a line of a message: no line ends, nothing that a terminal would obey.

    >>> one_line("two\\nlines \\x1b[2J")
    'two lines ?[2J'
    """
    plain = " ".join(text[: 4 * limit].split())
    return "".join(letter if letter.isprintable() else "?" for letter in plain[:limit])


def check_remote(path: str) -> bytes:
    """The bytes of an absolute path on the device, fit for a file transfer.

    Raises:
        DeviceError: if it is relative, too long or not encodable.
    """
    data = encode(path)
    if not path.startswith("/") or len(data) > _MAX_PATH_BYTES:
        raise DeviceError(
            f"{path[:80]!a} cannot be transferred; give an absolute path of up to {_MAX_PATH_BYTES} bytes"
        )
    return data
