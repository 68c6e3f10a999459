"""What commands print: JSON for scripts on standard output, tables and lines for people."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from fbsearch.cli.showing import escaped, one_line
from fbsearch.files import dump_json


class _Console(Console):
    """One that leaves it to the outermost frame what happens when nobody reads any more."""

    def on_broken_pipe(self) -> None:
        """Newer versions of rich would end the program here, with the exit code of a bug."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def print_json(data: Any) -> None:
    """JSON on standard output, and nothing else there."""
    if _speaks():
        sys.stdout.write(dump_json(data))


def one_or_all(records: Sequence[Any]) -> Any:
    """The record of a single device by itself, those of several as a list: as scripts read them."""
    return records[0] if len(records) == 1 else list(records)


def print_table(
    title: str, columns: list[str], rows: list[list[str]], *, numeric: frozenset[str] = frozenset()
) -> None:
    """A table; ``numeric`` columns are aligned to the right."""
    table = Table(title=escaped(title), title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in numeric else "left", no_wrap=column in numeric)
    for row in rows:
        table.add_row(*map(escaped, row))
    _Console().print(table)


def print_fields(title: str, rows: list[tuple[str, str]]) -> None:
    """What is known of one thing, a name and a value each."""
    table = Table(title=escaped(title), title_justify="left", title_style="bold", show_header=False)
    for row in rows:
        table.add_row(*map(escaped, row))
    _Console().print(table)


def notify(line: str) -> None:
    """A line about what happens, on standard error."""
    if _speaks():
        _Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(one_line(line))


def _speaks() -> bool:
    """Whether this process tells what happens: of those that torchrun started, the first."""
    return os.environ.get("RANK", "0") == "0"


def show_progress(quiet: bool) -> bool:
    """Whether to draw progress: on a terminal, unless asked not to."""
    return not quiet and sys.stderr.isatty()
