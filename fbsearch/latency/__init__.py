"""Latency tables: measuring a space into one, and reading it. Needs no torch."""

from fbsearch.latency.affine import AffineCorrection, fit_affine
from fbsearch.latency.entry import TableEntry
from fbsearch.latency.table import LatencyTable

__all__ = ["AffineCorrection", "LatencyTable", "TableEntry", "fit_affine"]
