"""``fbsearch devices``, which lists them, with its commands: describe, setup."""

from __future__ import annotations

import typer

from fbsearch.cli.commands.devices import describe, listing, setup

devices_app = typer.Typer(
    invoke_without_command=True,
    no_args_is_help=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

devices_app.callback(epilog=listing.EXAMPLES)(listing.devices)
devices_app.command(epilog=describe.EXAMPLES)(describe.describe)
devices_app.command(epilog=setup.EXAMPLES)(setup.setup)
