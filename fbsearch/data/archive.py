"""The files of a data set, in a directory or straight from a zip."""

from __future__ import annotations

import os
import stat
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from fbsearch.data.decoding import MAX_FILE_BYTES, CorruptImageError
from fbsearch.errors import DataError

MAX_DEPTH = 32
"""Folders within folders."""

_SYSTEM_FILES = {"__macosx", "thumbs.db", "desktop.ini"}
_MAX_VISITS = 16
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Whose decoders give no more than they are asked for; a few bytes of the others can fill the memory."""


class Archive(Protocol):
    """Files by their path relative to the data set, parts separated by ``/``."""

    @property
    def source(self) -> Path:
        """The directory or zip."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """The files' paths, sorted."""
        ...

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders' paths, sorted, empty ones included."""
        ...

    def read(self, name: str) -> bytes:
        """A file's content; may be called from several threads.

        Raises:
            CorruptImageError: if it cannot be read.
        """
        ...


class DirectoryArchive:
    """The files below a directory; symbolic links are followed.

    Raises:
        DataError: if a folder cannot be listed, lies too deep, or is linked in circles.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        listing = _Listing(source)
        listing.add(source, (), frozenset())
        self.files = tuple(sorted(listing.files))
        self.folders = tuple(sorted(listing.folders))

    def read(self, name: str) -> bytes:
        """As :meth:`Archive.read`."""
        path = self.source / name
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, a device has no end
                raise CorruptImageError("no regular file")
            if status.st_size > MAX_FILE_BYTES:
                raise CorruptImageError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
            return path.read_bytes()
        except OSError as error:
            raise CorruptImageError(f"unreadable: {error.strerror}") from None


class _Listing:
    """What lies below a directory; a link back to a folder above is not followed."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._visits: Counter[tuple[int, int]] = Counter()
        self.files: list[str] = []
        self.folders: list[str] = []

    def add(self, folder: Path, parts: tuple[str, ...], above: frozenset[tuple[int, int]]) -> None:
        """Add ``folder``, ``parts`` below the source, and what is below it."""
        _check_depth(self._source, parts)
        identity, entries = self._open(folder)
        if identity in above:
            return
        self._visits[identity] += 1
        if self._visits[identity] > _MAX_VISITS:  # folders that all link to one another have n! paths
            raise DataError(
                f"{folder}: links lead to this folder on more than {_MAX_VISITS} ways: "
                "remove those that go in circles"
            )
        if parts:
            self.folders.append("/".join(parts))
        for entry in entries:
            if _is_system_file(entry.name):
                continue
            if _is_folder(entry):
                self.add(folder / entry.name, (*parts, entry.name), above | {identity})
            else:
                self.files.append("/".join((*parts, entry.name)))

    def _open(self, folder: Path) -> tuple[tuple[int, int], list[os.DirEntry[str]]]:
        """Which folder it is, whatever its path, and what is in it."""
        try:
            status = folder.stat()
            with os.scandir(folder) as entries:
                return (status.st_dev, status.st_ino), list(entries)
        except OSError as error:
            raise DataError(f"{folder}: cannot be listed: {error.strerror}") from None


class ZipArchive:
    """The files within a zip, which is never unpacked.

    Raises:
        DataError: if it is no zip, encrypted, compressed otherwise than by deflate, or holds names that point
            outside or too deep.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        try:
            self._zip = zipfile.ZipFile(source)
        except Exception as error:  # zipfile raises whatever a damaged directory leads it to
            raise DataError(
                f"{source}: unreadable zip: {_reason(error)}; download or create it again"
            ) from None
        self._entries: dict[str, zipfile.ZipInfo] = {}
        folders: set[str] = set()
        for entry in self._zip.infolist():
            parts = self._checked(entry)
            if any(map(_is_system_file, parts)):
                continue
            folder = parts if entry.is_dir() else parts[:-1]
            if not entry.is_dir():
                self._entries["/".join(parts)] = entry
            while folder and (path := "/".join(folder)) not in folders:
                folders.add(path)
                folder = folder[:-1]
        self.files = tuple(sorted(self._entries))
        self.folders = tuple(sorted(folders))

    def read(self, name: str) -> bytes:
        """As :meth:`Archive.read`."""
        entry = self._entries[name]
        if entry.file_size > MAX_FILE_BYTES:
            raise CorruptImageError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
        try:
            with self._zip.open(entry) as file:
                return file.read(entry.file_size)  # all of it would be unpacked before it is cut to its size
        except Exception as error:  # as when it is opened
            raise CorruptImageError(f"unreadable in the zip: {_reason(error)}") from None

    def _checked(self, entry: zipfile.ZipInfo) -> list[str]:
        """The parts of an entry's path."""
        name = entry.filename.replace("\\", "/")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or ":" in name or not parts:
            raise DataError(
                f"{self.source}: unsafe name {entry.filename!r} in the zip: names must stay inside it"
            )
        _check_depth(self.source, parts[:-1])
        if entry.compress_type not in _METHODS:
            raise DataError(
                f"{self.source}: {entry.filename!r} is compressed by method {entry.compress_type}: "
                "create the zip with deflate, as zip does by itself"
            )
        if entry.flag_bits & 0x1:
            raise DataError(
                f"{self.source}: {entry.filename!r} is encrypted: create the zip without a password"
            )
        return parts


def open_archive(source: Path) -> Archive:
    """The files of ``source``.

    Raises:
        DataError: if it is neither a directory nor a readable zip, or holds no file.
    """
    archive: Archive
    if source.is_dir():
        archive = DirectoryArchive(source)
    elif source.suffix.lower() == ".zip" and source.is_file():
        archive = ZipArchive(source)
    elif not source.exists():
        raise DataError(f"no data set {str(source)!r}: give 'digits', a directory or a .zip")
    else:
        raise DataError(f"{source}: neither a directory nor a .zip: give one of these, or 'digits'")
    if not archive.files:
        raise DataError(f"{source}: holds no file: give a data set with one folder of images per class")
    return archive


def _is_system_file(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: what reading it as a file will tell
        return False


def _check_depth(source: Path, folders: Sequence[str]) -> None:
    """Refuse folders within folders more than :data:`MAX_DEPTH` deep.

    Raises:
        DataError: naming the outermost ones.
    """
    if len(folders) > MAX_DEPTH:
        raise DataError(
            f"{source}: below {'/'.join(folders[:2])} folders lie more than {MAX_DEPTH} deep: "
            "move the images further up"
        )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
