"""Content of files that others may have made: of regular files alone, and no more than their kind has."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from fbsearch.errors import MissingFileError, UnreadableFileError

TEXT_BYTES = 64 * 2**10
"""Most of a file that a person writes: a recipe, a space, a device."""

JSON_BYTES = 64 * 2**20
"""Most of a file of figures: a table, a record of a run; some 20,000 measured operators."""

LINES_BYTES = 256 * 2**20
"""Most of a file that grows by lines, each read by itself: a journal, metrics."""

KEY_BYTES = 64 * 2**10
"""Most of a key, or of the pin of a program."""

MODEL_BYTES = 2 * 2**30
"""Most of a model: what the formats themselves can hold."""

_CHUNK_BYTES = 2**20


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading; links are followed.

    Never waits for a pipe's other end, and opens no device.

    Raises:
        MissingFileError: if there is none.
        UnreadableFileError: if it is another kind of file, or cannot be opened or read.
    """
    check_regular(path)
    try:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            _require_regular(os.fstat(file.fileno()))
            yield file
    except OSError as error:
        raise _unreadable(error) from None


def check_regular(path: Path, *, most_bytes: int | None = None) -> None:
    """Make sure that a path leads to a regular file, before anything is opened.

    Raises:
        MissingFileError: if there is none.
        UnreadableFileError: if it is another kind of file, or larger than ``most_bytes``.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(error) from None
    except ValueError as error:  # a path with a zero byte in it, or half a character
        raise UnreadableFileError(f"no path: {error}") from None
    _require_regular(status)
    if most_bytes is not None and status.st_size > most_bytes:
        raise _too_large(status.st_size, most_bytes)


def read_bytes(path: Path, *, most_bytes: int) -> bytes:
    """The content of a regular file.

    Args:
        path: of the file.
        most_bytes: beyond which it is none of its kind.

    Raises:
        MissingFileError: if there is no such file.
        UnreadableFileError: if it is another kind of file, larger, or cannot be read.
    """
    with open_regular(path) as file:
        return read_open(file, most_bytes=most_bytes)


def read_open(file: IO[bytes], *, most_bytes: int) -> bytes:
    """What is left of an open regular file.

    Raises:
        UnreadableFileError: if it is larger than ``most_bytes``, or no regular file.
    """
    status = os.fstat(file.fileno())
    _require_regular(status)
    # Asked beforehand, so that nothing is allocated for a file of holes; and then, since it may grow.
    if status.st_size > most_bytes:
        raise _too_large(status.st_size, most_bytes)
    content = file.read(most_bytes + 1) or b""
    if len(content) > most_bytes:
        raise _too_large(len(content), most_bytes)
    return content


def read_text(path: Path, *, most_bytes: int = TEXT_BYTES) -> str:
    """The content of a regular file of UTF-8 text.

    Raises:
        MissingFileError, UnreadableFileError: as :func:`read_bytes`, and if it is no UTF-8.
    """
    return decode(read_bytes(path, most_bytes=most_bytes))


def decode(content: bytes) -> str:
    """UTF-8 as text, with every end of line as ``\\n``.

    Raises:
        UnreadableFileError: if it is no UTF-8.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFileError(f"not UTF-8 text: {error.reason} at byte {error.start:,}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def sha256_of(path: Path, *, most_bytes: int = MODEL_BYTES) -> str:
    """The SHA-256 of a regular file's content, in hexadecimal.

    Raises:
        MissingFileError, UnreadableFileError: as :func:`read_bytes`.
    """
    digest, num_bytes = hashlib.sha256(), 0
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            num_bytes += len(chunk)
            if num_bytes > most_bytes:
                raise _too_large(max(num_bytes, os.fstat(file.fileno()).st_size), most_bytes)
    return digest.hexdigest()


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableFileError(f"{_kind(status.st_mode)}, no regular file")


def _kind(mode: int) -> str:
    kinds: dict[str, Any] = {
        "a folder": stat.S_ISDIR,
        "a pipe": stat.S_ISFIFO,
        "a socket": stat.S_ISSOCK,
        "a device": lambda value: stat.S_ISCHR(value) or stat.S_ISBLK(value),
    }
    return next((name for name, is_it in kinds.items() if is_it(mode)), "something else")


def _unreadable(error: OSError) -> UnreadableFileError:
    kind = MissingFileError if isinstance(error, FileNotFoundError) else UnreadableFileError
    return kind(error.strerror or str(error))


def _too_large(num_bytes: int, most_bytes: int) -> UnreadableFileError:
    return UnreadableFileError(f"{num_bytes:,} bytes, more than the {most_bytes:,} that such a file may have")
