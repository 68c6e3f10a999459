"""The commands, composed, in the order in which ``--help`` names them."""

from __future__ import annotations

from typing import Annotated

import typer

from fbsearch.cli.commands import calibrate, describe, export, profile, report, run, search, train, verify
from fbsearch.cli.commands.devices.group import devices_app
from fbsearch.cli.commands.proxy.group import proxy_app
from fbsearch.cli.commands.table.group import table_app

app = typer.Typer(
    name="fbsearch",
    help="Find the best vision model that keeps a latency budget on your own device, and prove it there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="--debug with any command shows the traceback of an error.",
)

app.add_typer(table_app, name="table")
app.add_typer(proxy_app, name="proxy")
app.add_typer(devices_app, name="devices")

app.command(epilog=describe.EXAMPLES)(describe.describe)
app.command(epilog=profile.EXAMPLES)(profile.profile)
app.command(epilog=calibrate.EXAMPLES)(calibrate.calibrate)
app.command(epilog=search.EXAMPLES)(search.search)
app.command(epilog=train.EXAMPLES)(train.train)
app.command(epilog=export.EXAMPLES)(export.export)
app.command(epilog=verify.EXAMPLES)(verify.verify)
app.command(epilog=run.EXAMPLES)(run.run)
app.command(epilog=report.EXAMPLES)(report.report)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        import fbsearch

        print(fbsearch.__version__)
        raise typer.Exit
