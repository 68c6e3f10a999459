"""The entry point: one line and exit code 2 for what a user can put right, a traceback for our bugs."""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

import typer

from fbsearch.cli.app import app
from fbsearch.cli.endings import Terminated, flush, in_order, reader_has_gone
from fbsearch.cli.showing import OneLine, one_line
from fbsearch.errors import FbsearchError

# Newer typers carry a click of their own, so its errors are found by way of the one that typer exports.
_UsageError = typer.BadParameter.__mro__[1]
_ClickError = typer.BadParameter.__mro__[2]

USER_ERROR = 2
INTERRUPTED = 130
UNREAD = 141
"""As a shell says it of a program whose reader has gone."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
_MISPLACED = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ESTALE)
_MAX_NAME = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        0; 2 for an error that the user can put right; 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP;
        141 where nobody reads what is printed; 1 for a bug.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    is_debugging = "--debug" in given
    _log_lines()
    if is_debugging:
        logging.getLogger("fbsearch").setLevel(logging.DEBUG)
    arguments_or_help = [argument for argument in given if argument != "--debug"] or ["--help"]
    try:
        with in_order():
            return _run(arguments_or_help)
    except Exception as error:  # the outermost frame decides what a person sees
        return _failed(error, is_debugging=is_debugging)
    except KeyboardInterrupt as interruption:
        return _interrupted(interruption)


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    code = 0
    try:
        # Not command.main(): what it makes of Ctrl-C differs between versions.
        with command.make_context("fbsearch", arguments) as context:
            command.invoke(context)
    except typer.Exit as leaving:
        code = leaving.exit_code
    flush()
    return code


def _failed(error: Exception, *, is_debugging: bool) -> int:
    if isinstance(error, BrokenPipeError) and reader_has_gone():
        return UNREAD
    line = _explain(error)
    if line is None or is_debugging:
        traceback.print_exc()
    if line is None:
        return 1
    _say(f"error: {line}")
    return USER_ERROR


def _interrupted(interruption: KeyboardInterrupt) -> int:
    is_asked = isinstance(interruption, Terminated)
    _say(
        f"{f'ended by {interruption}' if is_asked else 'interrupted'}; what is finished is kept: the same "
        "command goes on from there, search, train and run with --resume"
    )
    return 128 + interruption.number if isinstance(interruption, Terminated) else INTERRUPTED


def _explain(error: Exception) -> str | None:
    """One line for an error that a user can put right, None for a bug."""
    if isinstance(error, FbsearchError):
        return str(error)
    if isinstance(error, _ClickError):
        context = getattr(error, "ctx", None)
        hint = f" (see '{context.command_path} --help')" if context is not None else ""
        message: str = error.format_message()  # type: ignore[attr-defined]  # click's, whichever click
        return message + hint
    return _explain_file(error) if isinstance(error, OSError) else None


def _explain_file(error: OSError) -> str | None:
    """A disk that is full or a file that is gone; None for what no person can put right."""
    name = str(error.filename or "")
    if len(name) > _MAX_NAME:
        name = f"{name[: _MAX_NAME // 2]}…{name[-_MAX_NAME // 2 :]} ({len(name)} characters)"
    if error.errno in _FULL:
        return f"cannot write {name or 'a file'}: {os.strerror(error.errno)}; what is finished is kept"
    if error.errno in _MISPLACED and name:
        return f"cannot use {name}: {os.strerror(error.errno)}; what is finished is kept"
    return None


def _log_lines() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def _say(line: str) -> None:
    with suppress(OSError):  # nobody may be there to read it
        print(f"fbsearch: {one_line(line)}", file=sys.stderr, flush=True)
