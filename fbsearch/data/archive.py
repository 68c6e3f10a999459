"""The files of a data set, in a directory or straight from a zip."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

from fbsearch.data.decoding import MAX_FILE_BYTES, CorruptImageError
from fbsearch.errors import DataError

_SYSTEM_FILES = {"__macosx", "thumbs.db", "desktop.ini"}


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
    """The files below a directory; symbolic links are followed."""

    def __init__(self, source: Path) -> None:
        self.source = source
        files: list[str] = []
        folders: list[str] = []
        _list(source, "", frozenset(), files, folders)
        self.files = tuple(sorted(files))
        self.folders = tuple(sorted(folders))

    def read(self, name: str) -> bytes:
        """As :meth:`Archive.read`."""
        path = self.source / name
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise CorruptImageError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
            return path.read_bytes()
        except OSError as error:
            raise CorruptImageError(f"unreadable: {error.strerror}") from None


class ZipArchive:
    """The files within a zip, which is never unpacked.

    Raises:
        DataError: if it is no zip, encrypted, or holds names that point outside.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        try:
            self._zip = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
            raise DataError(f"{source}: unreadable zip: {error}; download or create it again") from None
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
            return self._zip.read(entry)
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, zlib.error) as error:
            raise CorruptImageError(f"unreadable in the zip: {error}") from None

    def _checked(self, entry: zipfile.ZipInfo) -> list[str]:
        """The parts of an entry's path."""
        name = entry.filename.replace("\\", "/")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or ":" in name or not parts:
            raise DataError(
                f"{self.source}: unsafe name {entry.filename!r} in the zip: names must stay inside it"
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
    elif source.suffix.lower() == ".zip" and source.exists():
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


def _list(
    folder: Path, prefix: str, above: frozenset[tuple[int, int]], files: list[str], folders: list[str]
) -> None:
    """Add what is below ``folder`` to the lists; a link back to a folder above is not followed."""
    try:
        status = folder.stat()
        entries = list(os.scandir(folder))
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror}") from None
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        folders.remove(prefix.rstrip("/"))
        return
    for entry in entries:
        if _is_system_file(entry.name):
            continue
        if entry.is_dir():
            folders.append(prefix + entry.name)
            _list(folder / entry.name, f"{prefix}{entry.name}/", above | {identity}, files, folders)
        else:
            files.append(prefix + entry.name)
