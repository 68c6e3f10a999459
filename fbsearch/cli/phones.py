"""``fbsearch devices`` with its commands: list, describe, setup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fbsearch.cli.options import Json

devices_app = typer.Typer(
    invoke_without_command=True,
    no_args_is_help=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@devices_app.callback(
    epilog="Examples: fbsearch devices; fbsearch devices --json; "
    "fbsearch devices describe adb:SERIAL --write devices/pixel7.yaml; fbsearch devices setup pixel7"
)
def devices(context: typer.Context, as_json: Json = False) -> None:
    """List the devices that models can be measured on; describe a phone; provide its benchmark binary."""
    if context.invoked_subcommand is not None:
        if as_json:
            raise typer.BadParameter(f"give --json after {context.invoked_subcommand!r}", ctx=context)
        return
    from fbsearch.cli.listing import show_devices

    show_devices(as_json=as_json)


@devices_app.command(
    epilog="Examples: fbsearch devices describe pixel7; fbsearch devices describe 192.168.1.20:5555 --json; "
    "fbsearch devices describe adb:SERIAL --write devices/pixel7.yaml"
)
def describe(
    device: Annotated[
        str,
        typer.Argument(help="A device of devices/*.yaml, a path to such a file, adb:SERIAL or HOST:PORT."),
    ],
    as_json: Json = False,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write a commented device file, such as devices/NAME.yaml.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace that file if it is there.")] = False,
) -> None:
    """Print what a phone is, its cores and clocks, its heat and charge, and what it does not tell.

    If an interrupted run left fixed-performance mode on, it is switched off.
    """
    from fbsearch.cli.describing_phones import show_phone

    show_phone(device, as_json=as_json, write=write, force=force)


@devices_app.command(
    epilog="Examples: fbsearch devices setup pixel7; fbsearch devices setup --abi arm64-v8a; "
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch TFLite's benchmark binary for a phone from its publisher, or take a file; pin its SHA-256.

    The only command that fetches anything. Without a network, download the file elsewhere and give it as
    --binary.
    """
    from fbsearch.cli.describing_phones import set_up

    set_up(device, abi=abi, binary=binary, sha256=sha256, url=url, quiet=quiet, as_json=as_json)
