"""Converters talk a lot; none of it reaches the terminal."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import IO

_log = logging.getLogger(__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing reaches the terminal within the block: neither Python's output nor a C++ library's.

    What was said goes to this module's logger, at debug level. The redirection is of the whole
    process: another thread's output within the block is lost to the terminal too.
    """
    previous_level = logging.root.manager.disable
    with ExitStack() as stack:
        said = stack.enter_context(tempfile.TemporaryFile())
        text = stack.enter_context(
            open(said.fileno(), "w", encoding="utf-8", errors="replace", closefd=False)
        )
        for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
            stack.enter_context(_redirected(descriptor, stream, said))
        # Where Python's streams are not the descriptors (a notebook, a test), they need their own.
        stack.enter_context(redirect_stdout(text))
        stack.enter_context(redirect_stderr(text))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(previous_level)
            text.flush()
            said.seek(0)
            _log.debug("converter output: %s", said.read().decode(errors="replace"))


@contextmanager
def _redirected(descriptor: int, stream: IO[str] | None, target: IO[bytes]) -> Iterator[None]:
    """All that is written to a file descriptor goes to ``target``; ``stream`` is its Python side."""
    try:
        kept = os.dup(descriptor)
    except OSError:  # the process was started without this descriptor: nothing to keep quiet
        yield
        return
    _flush(stream)
    os.dup2(target.fileno(), descriptor)
    try:
        yield
    finally:
        _flush(stream)
        os.dup2(kept, descriptor)
        os.close(kept)


def _flush(stream: IO[str] | None) -> None:
    if stream is not None:
        with suppress(OSError, ValueError):  # closed by whoever started us
            stream.flush()
