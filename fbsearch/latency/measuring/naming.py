"""File names of tables, and of what lies beside them."""

from __future__ import annotations

import re
from pathlib import Path

from fbsearch.devices.description import RuntimeName
from fbsearch.precision import Precision
from fbsearch.spaces import Space

TABLES_FOLDER = Path("latency_tables")


def default_table_path(
    space: Space,
    *,
    device: str,
    runtime: RuntimeName,
    threads: int,
    precision: Precision = "fp32",
    folder: Path = TABLES_FOLDER,
) -> Path:
    """Where a table goes unless told otherwise.

    >>> from fbsearch.spaces import load_space
    >>> default_table_path(load_space("fbnet"), device="local", runtime="tflite", threads=1).as_posix()
    'latency_tables/local-tflite-fbnet-224px-t1-fp32.json'
    """
    parts = (device, runtime, space.name, f"{space.input.resolution}px", f"t{threads}", precision)
    return folder / ("-".join(map(_slug, parts)) + ".json")


def journal_path(table: Path) -> Path:
    """The journal of a profile."""
    return table.with_name(table.name + ".partial")


def calibration_journal_path(table: Path) -> Path:
    """The journal of a calibration of a table that exists."""
    return table.with_name(table.name + ".calibration.partial")


def check_journal_path(table: Path) -> Path:
    """The journal of a table's check."""
    return table.with_name(table.name + ".check.partial")


def growth_journal_path(table: Path) -> Path:
    """The journal of operators that are added to a table."""
    return table.with_name(table.name + ".growth.partial")


def launches_path(table: Path) -> Path:
    """The record of launches beside a table."""
    return table.with_name(table.stem + ".launches.jsonl")


def _slug(text: str) -> str:
    """Lower case, with every run of other characters than letters, digits and dots as one underscore."""
    return re.sub(r"[^a-z0-9.]+", "_", text.lower()).strip("_.") or "unnamed"
