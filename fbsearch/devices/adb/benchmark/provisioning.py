"""Providing the benchmark binary of an ABI: fetched from its publisher, or a file of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fbsearch.devices.adb.benchmark.binaries import (
    PUBLISHED,
    BenchmarkBinary,
    Progress,
    fetch_binary,
    keep_binary,
)
from fbsearch.devices.adb.benchmark.download import DownloadError
from fbsearch.devices.adb.benchmark.launch_failures import SETUP_COMMAND
from fbsearch.devices.adb.readings import PhoneIdentity
from fbsearch.errors import DeviceError


@dataclass(frozen=True)
class Provision:
    """What was asked for.

    Args:
        abi: what the binary runs on.
        binary: a file of the user's; None fetches the publisher's.
        sha256: what it must hash to.
        url: another address than the publisher's.
    """

    abi: str
    binary: Path | None = None
    sha256: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        if self.binary is not None and self.url is not None:
            raise DeviceError("--binary and --url: a file is given or one is fetched; leave one of them out")


def provide_binary(wanted: Provision, *, progress: Progress | None = None) -> BenchmarkBinary:
    """Fetch or take a binary, check it, and put it where profiling finds it.

    Raises:
        DeviceError: saying, where it cannot be fetched, how to go about it by hand.
    """
    if wanted.binary is not None:
        return keep_binary(wanted.abi, wanted.binary, sha256=wanted.sha256)
    try:
        return fetch_binary(wanted.abi, url=wanted.url, sha256=wanted.sha256, progress=progress)
    except DownloadError as error:
        raise DeviceError(
            f"cannot fetch {wanted.url or PUBLISHED[wanted.abi]}: {error.why}. Without a network: "
            "download that on another computer, copy the file here, and run "
            f"'{SETUP_COMMAND} --abi {wanted.abi} --binary FILE'"
        ) from None


def preferred_abi(device: str, identity: PhoneIdentity) -> str:
    """What binaries a phone prefers.

    Args:
        device: its name.
        identity: what it tells of itself.

    Raises:
        DeviceError: if it does not tell that.
    """
    if not identity.abis:
        raise DeviceError(
            f"device {device!r} does not tell its ABI (machine {identity.machine or 'not told'}): "
            f"give it, as in '{SETUP_COMMAND} --abi {next(iter(PUBLISHED))}'; published are "
            f"{', '.join(PUBLISHED)}"
        )
    return identity.abis[0]
