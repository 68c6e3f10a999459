"""``fbsearch devices setup``: the benchmark binary of a phone, or of an ABI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fbsearch.cli.options import Json, Quiet
from fbsearch.cli.printing import notify, print_json, show_progress
from fbsearch.errors import DependencyError, DeviceError

if TYPE_CHECKING:
    from fbsearch.devices.adb.benchmark.binaries import BenchmarkBinary

EXAMPLES = (
    "Examples: fbsearch devices setup pixel7; fbsearch devices setup --abi arm64-v8a; "
    "fbsearch devices setup --abi arm64-v8a --binary benchmark_model --sha256 HASH"
)


def setup(
    device: Annotated[
        str | None, typer.Argument(help="The phone whose ABI is asked; or give --abi.", show_default=False)
    ] = None,
    abi: Annotated[
        str | None, typer.Option("--abi", help="arm64-v8a, armeabi-v7a, linux-aarch64, linux-x86_64, …")
    ] = None,
    binary: Annotated[
        Path | None, typer.Option("--binary", help="Take this file in place of fetching one.")
    ] = None,
    sha256: Annotated[str | None, typer.Option("--sha256", help="What the binary must hash to.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Another address than the publisher's.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fetch TFLite's benchmark binary for a phone from its publisher, or take a file; pin its SHA-256.

    The only command that fetches anything. Without a network, download the file elsewhere and give it as
    --binary.
    """
    _need_adb()
    from fbsearch.cli.phones import open_phone
    from fbsearch.devices.adb.benchmark.provisioning import Provision, preferred_abi, provide_binary

    if (device is None) == (abi is None):
        raise DeviceError(
            "devices setup: give either a device, whose ABI is asked, or --abi, such as arm64-v8a"
        )
    phone = None if device is None else open_phone(device)
    if phone is not None:
        abi = preferred_abi(phone.name, phone.phone.readings().identity)
        if phone.definition.binary is None:  # else the hash is that of the file which the definition names
            sha256 = sha256 or phone.definition.binary_sha256
    assert abi is not None
    wanted = Provision(abi, binary, sha256, url)
    with _download_bar(show_progress(quiet)) as progress:
        provided = provide_binary(wanted, progress=progress)
    if as_json:
        _print_record(provided)
    else:
        _tell(provided, came=f"taken from {binary}" if binary else f"fetched from {provided.source}")
    if phone is not None and phone.definition.binary is not None:
        notify(f"note: the device file names {phone.definition.binary}, which is used in its place")


def _need_adb() -> None:
    try:
        import fbsearch.devices.adb  # noqa: F401  # only whether it can be
    except ModuleNotFoundError as error:
        raise DependencyError(f"{error.name} is not installed: pip install adb-shell adbutils") from None


def _print_record(provided: BenchmarkBinary) -> None:
    print_json(
        {
            "abi": provided.abi,
            "path": str(provided.path),
            "sha256": provided.sha256,
            "size_bytes": provided.size_bytes,
            "source": provided.source,
            "date": provided.date,
            "replaced_sha256": provided.replaced_sha256,
        }
    )


def _tell(provided: BenchmarkBinary, came: str) -> None:
    notify(f"benchmark binary for {provided.abi}: {came}, {provided.size_bytes / 2**20:.1f} MiB")
    notify(f"SHA-256 {provided.sha256}")
    notify(f"kept as {provided.path}")
    if provided.replaced_sha256:
        notify(f"it replaces {provided.replaced_sha256}: measure tables anew, two builds differ in speed")


@contextmanager
def _download_bar(is_shown: bool) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on standard error; yields what takes bytes so far and in all."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=not is_shown,
    )
    with bar:
        task = bar.add_task("Fetching", total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
