"""One owner: a folder or a file held by one process, which others are told of, and let go by its end."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fbsearch.errors import FbsearchError
from fbsearch.files import lock

_HOLDER = re.compile(r"process (\d{1,10}) on ([\w.-]{1,253})")
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP)
_TEMPORARY = re.compile(r"\..*\.(\d{1,10})\.tmp|\.writable\.(\d{1,10})", re.DOTALL)
"""What :mod:`fbsearch.files` leaves behind where its process is killed."""


@contextmanager
def owned(path: Path, *, error: type[FbsearchError], remedy: str) -> Iterator[None]:
    """Hold a folder, or a file that may not be there yet, alone within the block.

    The lock is the system's, on a file: ``.lock`` in the folder, ``.NAME.lock`` beside the file. It ends with
    the process, however that ends; a file that a killed one left is taken over. Half-written files of
    dead processes are removed first. Where a file system has no locks, two owners go unnoticed.

    Args:
        path: what to hold; a folder must exist, a file's folder is made.
        error: raised where another process holds it.
        remedy: what a person does to have it elsewhere.

    Raises:
        FbsearchError: of class ``error``, naming the process; or that there can be no lock.
    """
    place = path / ".lock" if path.is_dir() else path.with_name(f".{path.name}.lock")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        file = _hold(place)
    except _HeldError as held:
        raise error(f"{path} is in use by {held}: wait until it has ended, or {remedy}") from None
    except OSError as failure:
        raise error(
            f"{place}: cannot write a lock: {failure.strerror or failure}; put that right, or {remedy}"
        ) from None
    with file:
        try:
            sweep(path)
            yield
        finally:
            place.unlink(missing_ok=True)  # while it is held: see _is_in_place


def sweep(path: Path, *, min_age_s: float = 0.0) -> None:
    """Remove what killed processes of this computer left half written in a folder, or beside a file.

    Args:
        path: the folder or the file.
        min_age_s: since a file was last written; for places where another computer may be writing too.
    """
    latest_s = time.time() - min_age_s
    found = path.rglob(".*") if path.is_dir() else path.parent.glob(".*.tmp")
    prefix = "." if path.is_dir() else f".{path.name}."
    for one in list(found):
        match = _TEMPORARY.fullmatch(one.name) if one.name.startswith(prefix) else None
        if match and not _is_running(int(match[1] or match[2])):
            with suppress(OSError):  # a folder of that name, or gone by now
                if one.stat().st_mtime <= latest_s:
                    one.unlink()


class _HeldError(Exception):
    """Another process holds it; the text says which."""


def _hold(place: Path) -> BinaryIO:
    """The lock's file, locked, with our name in it.

    Raises:
        _HeldError: if another process holds it.
        OSError: if it cannot be made.
    """
    while True:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        file = os.fdopen(os.open(place, flags, 0o666), "r+b", buffering=0)
        try:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "no plain file")
            if not _is_ours(file):
                raise _HeldError(_holder(file))
            if _is_in_place(file, place):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _is_ours(file: BinaryIO) -> bool:
    try:
        return lock(file)
    except OSError as error:
        if error.errno in _WITHOUT_LOCKS:
            return True
        raise


def _is_in_place(file: BinaryIO, place: Path) -> bool:
    """Whether the file is still the one by its name: its last owner may have removed it before we held it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), place.lstat())
    except FileNotFoundError:
        return False


def _holder(file: BinaryIO) -> str:
    match = _HOLDER.match(os.pread(file.fileno(), 300, 0).decode("utf-8", "replace"))
    if match is None:
        return "another process"
    return f"process {match[1]}" + ("" if match[2] == socket.gethostname() else f" on {match[2]}")


def _is_running(process: int) -> bool:
    """Whether there is a process of that number on this computer."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # another user's, or no number of a process
    return True
