"""Files that survive a kill: every write is whole or did not happen, and folders are tried beforehand."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from fbsearch.errors import CheckpointError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends without error.

    The content is flushed to disk before the rename and the folder after it, so that a crash leaves the old
    file or the new one. On an error the temporary file is removed and ``path`` keeps what it held; one that
    a killed process left goes when :mod:`fbsearch.ownership` sweeps. Whoever may read what this process
    writes may read the file, though some libraries keep theirs to its owner.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        temporary.chmod(mode)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.filename in (None, str(temporary)):
            error.filename = str(path)  # the name that a person knows
        raise
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on disk: what was renamed there stays so after a crash."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems have nothing to sync there
            raise
    finally:
        os.close(handle)


def lock(file: IO[Any]) -> bool:
    """Hold an open file alone until it is closed, or the process ends.

    Returns:
        Whether no other process holds it. On Windows always, for want of such locks: two go unnoticed.
    """
    if sys.platform == "win32":
        return True
    import fcntl  # absent on Windows

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Any) -> None:
    """Write ``data`` to ``path`` as JSON, atomically; NaN and infinities are refused.

    Lists of plain numbers stay on one line, so that raw samples read as rows.

    Raises:
        ValueError: if ``data`` holds a NaN or an infinity.
    """
    write_text(path, dump_json(data))


def dump_json(data: Any, *, indent: int = 1) -> str:
    """JSON text, indented, with lists of numbers on one line each and a final newline."""
    return _dump(data, 0, indent) + "\n"


def _dump(data: Any, depth: int, indent: int) -> str:
    pad, end = "\n" + " " * indent * (depth + 1), "\n" + " " * indent * depth
    if isinstance(data, dict) and data:
        rows = (f"{json.dumps(str(key))}: {_dump(value, depth + 1, indent)}" for key, value in data.items())
        return "{" + pad + ("," + pad).join(rows) + end + "}"
    if isinstance(data, (list, tuple)) and any(isinstance(item, (dict, list, tuple, str)) for item in data):
        return "[" + pad + ("," + pad).join(_dump(item, depth + 1, indent) for item in data) + end + "]"
    return json.dumps(data, allow_nan=False)


def check_file_writable(path: Path) -> None:
    """Make sure, before hours of work, that a file can be written.

    Raises:
        CheckpointError: if it cannot, or is a folder.
    """
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder: name a file in it")
    check_writable(path.parent)


def check_writable(folder: Path) -> None:
    """Make sure, before hours of work, that a folder takes files.

    Raises:
        CheckpointError: if it does not.
    """
    probe = folder / f".writable.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"fbsearch")
        probe.unlink()
    except OSError as error:
        raise CheckpointError(
            f"{folder} cannot be written ({error.strerror or error}); choose another folder with --out"
        ) from None
