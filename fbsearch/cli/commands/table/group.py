"""``fbsearch table`` with its commands: check, grow, show."""

from __future__ import annotations

import typer

from fbsearch.cli.commands.table import check, grow, show

table_app = typer.Typer(
    help="Look at a latency table, or add to it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

table_app.command(epilog=check.EXAMPLES)(check.check)
table_app.command(epilog=grow.EXAMPLES)(grow.grow)
table_app.command(epilog=show.EXAMPLES)(show.show)
