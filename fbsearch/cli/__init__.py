"""The command line: parse, call the pipeline, print, exit code."""

from fbsearch.cli.main import main

__all__ = ["main"]
