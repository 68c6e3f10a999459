"""An open phone: its answers, and the folder on it that is ours."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from fbsearch.devices.adb.link.connection import Connection, ShellResult
from fbsearch.devices.adb.link.quoting import quote, remote_path
from fbsearch.devices.adb.readings import (
    CONDITIONS_SCRIPT,
    READINGS_SCRIPT,
    Conditions,
    PhoneReadings,
    parse_conditions,
    parse_readings,
)
from fbsearch.errors import ConnectionLostError, DeviceError, DeviceFullError, UnreadableFileError
from fbsearch.files import sha256_of

_QUICK_S = 30.0
_HASHING_S = 120.0
_ATTEMPTS = 2
_NAMES_AT_ONCE = 50
"""So that the command fits into one packet of an old adbd, 4 KiB."""


@dataclass(frozen=True)
class Upload:
    """A file that shall lie in our folder.

    Args:
        content: here.
        is_executable: there.
    """

    content: Path | bytes
    is_executable: bool = False

    @property
    def sha256(self) -> str:
        """Of its content.

        Raises:
            DeviceError: if the file cannot be read.
        """
        if isinstance(self.content, bytes):
            return hashlib.sha256(self.content).hexdigest()
        try:
            return sha256_of(self.content)
        except UnreadableFileError as error:
            raise DeviceError(f"{self.content}: cannot be read: {error}") from None

    @property
    def num_bytes(self) -> int:
        """Of its content."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


class Phone:
    """A phone that answers, and our folder on it.

    Args:
        connection: open.
        folder: ours; absolute.
    """

    def __init__(self, connection: Connection, *, folder: str) -> None:
        self._connection = connection
        self._folder = folder

    @property
    def serial(self) -> str:
        """As ``adb devices`` shows it."""
        return self._connection.serial

    @property
    def transport(self) -> str:
        """``usb``, ``tcp`` or ``server``."""
        return self._connection.transport

    @property
    def folder(self) -> str:
        """Ours on the phone."""
        return self._folder

    def path(self, name: str) -> str:
        """The path of a file of ours."""
        return remote_path(self._folder, name)

    def shell(self, command: str, *, timeout_s: float = _QUICK_S) -> ShellResult:
        """Run a shell command, whether our folder is there or not."""
        return self._connection.shell(command, timeout_s=timeout_s)

    def run(self, command: str, *, timeout_s: float = _QUICK_S) -> ShellResult:
        """Run a shell command in our folder, which must be there."""
        return self.shell(f"cd {quote(self._folder)} && {{ {command}\n}}", timeout_s=timeout_s)

    def readings(self) -> PhoneReadings:
        """Everything it tells about itself, read now.

        Raises:
            ConnectionLostError: if its answer is cut short.
        """
        readings = parse_readings(self.shell(READINGS_SCRIPT).stdout)
        self._check_complete(readings.is_complete)
        return readings

    def conditions(self) -> Conditions:
        """Its clocks, battery and heat, read now.

        Raises:
            ConnectionLostError: if its answer is cut short.
        """
        conditions = parse_conditions(self.shell(CONDITIONS_SCRIPT).stdout)
        self._check_complete(conditions.is_complete)
        return conditions

    def _check_complete(self, is_complete: bool) -> None:
        if not is_complete:
            raise ConnectionLostError(f"device {self.serial!r} did not finish its answer; run again")

    def has(self, name: str) -> bool:
        """Whether a file of that name lies in our folder."""
        return self.shell(f"[ -e {quote(self.path(name))} ]").exit_code == 0

    def upload(self, files: Mapping[str, Upload], *, can_hash: bool = True) -> None:
        """Bring files into our folder; those that lie there already, whole, are left.

        Args:
            files: by their names there.
            can_hash: whether the phone has sha256sum; else sizes alone tell whether a file is whole.

        Raises:
            DeviceFullError: if they do not fit.
            DeviceError: if the folder cannot be made, or a file arrives damaged twice.
        """
        self._make_folder()
        wanted = {name: upload.sha256 for name, upload in files.items()}
        missing: Collection[str] = self._damaged(wanted) if can_hash else list(files)
        for _ in range(_ATTEMPTS):
            for name in missing:
                self._push(name, files[name])
            missing = self._damaged(wanted) if can_hash and missing else ()
            if not missing:
                return
        raise DeviceError(
            f"{self.path(next(iter(missing)))} arrived damaged on device {self.serial!r} twice: "
            "try another cable or port"
        )

    def pull(self, name: str) -> bytes:
        """The content of a file of ours."""
        return self._connection.pull(self.path(name))

    def remove(self, *names: str) -> None:
        """Delete files of ours; those that are not there count as deleted."""
        listed = " ".join(quote(self.path(name)) for name in names)
        self.shell(f"rm -f {listed}")

    def remove_folder(self) -> None:
        """Delete our folder with all that it holds."""
        self.shell(f"rm -rf {quote(self._folder)}")

    def _make_folder(self) -> None:
        made = self.shell(f"mkdir -p {quote(self._folder)}")
        if made.exit_code != 0:
            said = " ".join(f"{made.stdout} {made.stderr}".split())[-200:]
            if "No space left" in said:
                raise self._full()
            raise DeviceError(
                f"device {self.serial!r}: cannot make {self._folder}: {said or 'no reason told'}; "
                "give another 'folder' in its device file"
            )

    def _damaged(self, wanted: Mapping[str, str]) -> list[str]:
        """The names whose file there is absent, or another one."""
        there: dict[str, str] = {}
        names = list(wanted)
        for start in range(0, len(names), _NAMES_AT_ONCE):
            listed = " ".join(map(quote, names[start : start + _NAMES_AT_ONCE]))
            listing = self.run(f"sha256sum {listed} 2>/dev/null", timeout_s=_HASHING_S)
            there.update(_hash_and_name(line) for line in listing.stdout.splitlines())
        return [name for name, digest in wanted.items() if there.get(name) != digest]

    def _push(self, name: str, upload: Upload) -> None:
        mode = 0o755 if upload.is_executable else 0o644
        try:
            self._connection.push(upload.content, self.path(name), mode=mode)
        except DeviceFullError:
            raise self._full(upload.num_bytes) from None

    def _full(self, num_bytes: int = 0) -> DeviceFullError:
        size = f"{num_bytes / 2**20:.1f} MiB" if num_bytes >= 2**20 else f"{math.ceil(num_bytes / 2**10)} KiB"
        needed = f", {size} are needed" if num_bytes else ""
        return DeviceFullError(
            f"no space is left on device {self.serial!r} for {self._folder}{needed}: "
            "free some there and run again; what was measured is kept"
        )


def _hash_and_name(line: str) -> tuple[str, str]:
    digest, _, name = line.partition(" ")
    return name.strip().lstrip("*"), digest.strip().lower()
