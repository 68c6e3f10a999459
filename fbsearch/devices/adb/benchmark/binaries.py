"""The benchmark binary that is pushed to a phone: a file of the user's, or the publisher's build.

Two builds differ in speed by a factor of up to 1.7, and the publisher's nightly builds change under one
address, so a binary is known by its SHA-256. A fetched one lies in the user's data folder with a pin
file beside it; what the pin does not confirm is not used.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fbsearch.devices.adb.benchmark.download import Progress, download
from fbsearch.devices.adb.benchmark.elf import check_machine, is_script
from fbsearch.devices.adb.benchmark.launch_failures import SETUP_COMMAND
from fbsearch.errors import DeviceError, UnreadableFileError
from fbsearch.files import KEY_BYTES, atomic_path, read_json, sha256_of, write_json

__all__ = [
    "PUBLISHED",
    "BenchmarkBinary",
    "BinaryPin",
    "Progress",
    "binaries_folder",
    "binary_for",
    "fetch_binary",
    "keep_binary",
    "remote_name",
]

_PUBLISHER = "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest"
PUBLISHED = {
    "arm64-v8a": f"{_PUBLISHER}/android_aarch64_benchmark_model",
    "armeabi-v7a": f"{_PUBLISHER}/android_arm_benchmark_model",
    "linux-x86_64": f"{_PUBLISHER}/linux_x86-64_benchmark_model",
    "linux-aarch64": f"{_PUBLISHER}/linux_aarch64_benchmark_model",
}
"""TFLite's official nightly builds by ABI (developers.google.com/edge/litert)."""

_FILE_NAME = "benchmark_model"
_ABI = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MAX_BYTES = 256 << 20


@dataclass(frozen=True)
class BenchmarkBinary:
    """A binary that is ready to be pushed.

    Args:
        path: the file on this computer.
        sha256: of its content, in hexadecimal.
        size_bytes: of the file.
        source: the address it was fetched from, or ``file`` for one that the user gave.
        abi: what it runs on; for a script, the phone's.
        date: when it was fetched, ISO 8601; None for a given file.
        replaced_sha256: what a fetch found in its place, where that differed.
    """

    path: Path
    sha256: str
    size_bytes: int
    source: str
    abi: str
    date: str | None = None
    replaced_sha256: str | None = None


class BinaryPin(BaseModel):
    """The file beside a fetched binary: where it comes from and what it must be."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    url: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=1)]
    date: str


def binaries_folder() -> Path:
    """Where fetched binaries live, in a folder per ABI."""
    return platformdirs.user_data_path("fbsearch") / _FILE_NAME


def remote_name(binary: BenchmarkBinary) -> str:
    """The binary's name on the phone: one build never overwrites another, so it is pushed once."""
    return f"{_FILE_NAME}-{binary.sha256[:16]}"


def binary_for(
    abi: str, *, given: Path | None, sha256: str | None = None, folder: Path | None = None
) -> BenchmarkBinary:
    """The binary for a phone: the given file, or else the one that was fetched for its ABI.

    Args:
        abi: the phone's.
        given: a file of the user's: an ELF binary of that ABI, or a script (as test equipment is).
        sha256: what its hash must be, where a device file pins it.
        folder: where fetched binaries live, if not in :func:`binaries_folder`.

    Raises:
        DeviceError: if there is none, it is for another processor, or its hash is not what it must be.
    """
    if given is not None:
        return _given(abi, given, _checked_sha256(sha256))
    path = _place(abi, folder)
    if not path.is_file():
        remedy = (
            f"fetch it once with '{SETUP_COMMAND} --abi {abi}'"
            if abi in PUBLISHED
            else "there is no published build"
        )
        raise DeviceError(
            f"no benchmark binary for {abi}: {remedy}, or give a file as 'binary' in the device file"
        )
    pin = _read_pin(path)
    actual = _sha256_of(path)
    for wanted, who in ((pin.sha256, "its pin file"), (_checked_sha256(sha256), "the device file")):
        if wanted is not None and actual != wanted:
            raise DeviceError(
                f"{path}: has SHA-256 {actual}, {who} says {wanted}: it was changed; "
                f"fetch it anew with '{SETUP_COMMAND}', or correct the hash"
            )
    if not is_script(path):
        check_machine(path, abi)
    return BenchmarkBinary(path, actual, path.stat().st_size, pin.url, abi, pin.date)


def fetch_binary(
    abi: str,
    *,
    url: str | None = None,
    sha256: str | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
    silence_s: float = 30,
    limit_s: float = 900,
    max_bytes: int = _MAX_BYTES,
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> BenchmarkBinary:
    """Fetch the publisher's binary for an ABI, check it, and put it in place of an older one.

    The older one stays until the new one has been checked.

    Args:
        abi: what it must run on.
        url: another address than the publisher's.
        sha256: what the content must hash to.
        folder: where fetched binaries live, if not in :func:`binaries_folder`.
        progress: told bytes so far and in all.
        silence_s: the longest wait for the server to say anything.
        limit_s: the longest time in all.
        max_bytes: a larger answer is refused.
        now: the date to record.

    Raises:
        DeviceError: if it cannot be fetched, is no binary for the ABI, or hashes to something else.
    """
    address, wanted = url or _published(abi), _checked_sha256(sha256)
    path = _place(abi, folder)
    try:
        replaced = _sha256_of(path) if path.is_file() else None
        with atomic_path(path) as temporary:
            actual = download(
                address,
                temporary,
                progress=progress,
                silence_s=silence_s,
                limit_s=limit_s,
                max_bytes=max_bytes,
                allow_http=wanted is not None,
            )
            if wanted is not None and actual != wanted:
                raise DeviceError(
                    f"{address}: has SHA-256 {actual}, asked for was {wanted}: it was not kept; "
                    "the publisher may have a newer build: check it, and give its hash"
                )
            check_machine(temporary, abi)
            temporary.chmod(0o755)
            size = temporary.stat().st_size
        pin = BinaryPin(url=address, sha256=actual, size=size, date=now().isoformat(timespec="seconds"))
        write_json(_pin_path(path), pin.model_dump())
    except OSError as error:
        raise DeviceError(
            f"{path.parent}: cannot be written ({error.strerror or error}); free space, or change its mode"
        ) from None
    return BenchmarkBinary(
        path, actual, size, address, abi, pin.date, replaced_sha256=replaced if replaced != actual else None
    )


def keep_binary(
    abi: str,
    file: Path,
    *,
    sha256: str | None = None,
    folder: Path | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> BenchmarkBinary:
    """Put a file of the user's where fetched binaries live, pinned: for computers without a network.

    Args:
        abi: what it must run on.
        file: an ELF binary of that ABI, or a script.
        sha256: what it must hash to.
        folder: where fetched binaries live, if not in :func:`binaries_folder`.
        now: the date to record.

    Raises:
        DeviceError: if there is no such file, it is for another processor, or it hashes to something else.
    """
    path, given = _place(abi, folder), _given(abi, file, _checked_sha256(sha256), asked_by="asked for was")
    try:
        replaced = _sha256_of(path) if path.is_file() else None
        with atomic_path(path) as temporary:
            shutil.copyfile(file, temporary)
            temporary.chmod(0o755)
        date = now().isoformat(timespec="seconds")
        pin = BinaryPin(url=given.source, sha256=given.sha256, size=given.size_bytes, date=date)
        write_json(_pin_path(path), pin.model_dump())
    except OSError as error:
        raise DeviceError(
            f"{path.parent}: cannot be written ({error.strerror or error}); free space, or change its mode"
        ) from None
    changed = replaced if replaced != given.sha256 else None
    return replace(given, path=path, date=date, replaced_sha256=changed)


def _given(
    abi: str, path: Path, wanted: str | None, *, asked_by: str = "the device file says"
) -> BenchmarkBinary:
    if not path.is_file():
        raise DeviceError(
            f"{path}: no such benchmark binary; give a file, or fetch one with '{SETUP_COMMAND}'"
        )
    if not is_script(path):
        check_machine(path, abi)
    actual = _sha256_of(path)
    if wanted is not None and actual != wanted:
        raise DeviceError(
            f"{path}: has SHA-256 {actual}, {asked_by} {wanted}: it was changed; "
            "give the file with that hash, or correct the hash"
        )
    return BenchmarkBinary(path, actual, path.stat().st_size, "file", abi)


def _published(abi: str) -> str:
    if abi not in PUBLISHED:
        raise DeviceError(
            f"no benchmark binary is published for {abi!r}, only for {', '.join(PUBLISHED)}; "
            "give an address, or a file as 'binary' in the device file"
        )
    return PUBLISHED[abi]


def _place(abi: str, folder: Path | None) -> Path:
    if not _ABI.fullmatch(abi):
        raise DeviceError(f"{abi[:80]!r} is no ABI; give one such as {', '.join(PUBLISHED)}")
    return (folder or binaries_folder()) / abi / _FILE_NAME


def _pin_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _read_pin(path: Path) -> BinaryPin:
    pin = _pin_path(path)
    try:
        return BinaryPin.model_validate(read_json(pin, most_bytes=KEY_BYTES))
    except UnreadableFileError as error:
        why = str(error)
    except ValidationError as error:
        why = " ".join(error.errors()[0]["msg"].split())[:200]
    raise DeviceError(f"{pin}: the pin of the benchmark binary: {why}; fetch it anew with '{SETUP_COMMAND}'")


def _checked_sha256(text: str | None) -> str | None:
    if text is None:
        return None
    tidy = text.strip().lower()
    if not _SHA256.fullmatch(tidy):
        raise DeviceError(f"sha256 {text[:80]!r}: give the 64 hexadecimal digits that sha256sum prints")
    return tidy


def _sha256_of(path: Path) -> str:
    try:
        return sha256_of(path)
    except UnreadableFileError as error:
        raise DeviceError(f"{path}: cannot read the binary: {error}; give another file") from None
