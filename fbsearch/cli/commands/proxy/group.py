"""``fbsearch proxy`` with its commands: score."""

from __future__ import annotations

import typer

from fbsearch.cli.commands.proxy import score

proxy_app = typer.Typer(
    help="Score networks without training them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

proxy_app.command(epilog=score.EXAMPLES)(score.score)
