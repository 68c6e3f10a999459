"""Latency tables: measuring a space into one, and reading it. Needs no torch."""

from fbsearch.latency.calibration.calibration import Calibration
from fbsearch.latency.entries.entry import TableEntry
from fbsearch.latency.table import LatencyTable

__all__ = ["Calibration", "LatencyTable", "TableEntry"]
