"""The entry point: one line and exit code 2 for what a user can put right, a traceback for our bugs."""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from collections.abc import Sequence

import typer

from fbsearch.cli.app import app
from fbsearch.cli.showing import OneLine, one_line
from fbsearch.errors import FbsearchError

# Newer typers carry a click of their own, so its errors are found by way of the one that typer exports.
_UsageError = typer.BadParameter.__mro__[1]
_ClickError = typer.BadParameter.__mro__[2]

USER_ERROR = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        0; 2 for an error that the user can put right; 130 after Ctrl-C; 1 for a bug.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    is_debugging = "--debug" in given
    _log_lines()
    if is_debugging:
        logging.getLogger("fbsearch").setLevel(logging.DEBUG)
    arguments_or_help = [argument for argument in given if argument != "--debug"] or ["--help"]
    command = typer.main.get_command(app)
    try:
        # Not command.main(): what it makes of Ctrl-C differs between versions.
        with command.make_context("fbsearch", arguments_or_help) as context:
            command.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    except Exception as error:  # the outermost frame decides what a person sees
        line = _explain(error)
        if line is None or is_debugging:
            traceback.print_exc()
        if line is None:
            return 1
        _say(f"error: {line}")
        return USER_ERROR
    except KeyboardInterrupt:
        _say(
            "interrupted; what is finished is kept: the same command goes on from there, "
            "search, train and run with --resume"
        )
        return INTERRUPTED
    return 0


def _explain(error: Exception) -> str | None:
    """One line for an error that a user can put right, None for a bug."""
    if isinstance(error, FbsearchError):
        return str(error)
    if isinstance(error, _ClickError):
        context = getattr(error, "ctx", None)
        hint = f" (see '{context.command_path} --help')" if context is not None else ""
        message: str = error.format_message()  # type: ignore[attr-defined]  # click's, whichever click
        return message + hint
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        return (
            f"cannot write {error.filename or 'a file'}: {os.strerror(error.errno)}; what is finished is kept"
        )
    return None


def _log_lines() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def _say(line: str) -> None:
    print(f"fbsearch: {one_line(line)}", file=sys.stderr)
