"""The command line: parse, call one pipeline function, print, exit code."""

from fbsearch.cli.main import main

__all__ = ["main"]
