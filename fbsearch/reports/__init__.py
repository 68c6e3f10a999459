"""A run's page: one self-contained HTML file about everything that a run folder holds."""

from fbsearch.reports.page import write_report
from fbsearch.reports.run_folder import RunFolder, read_run

__all__ = ["RunFolder", "read_run", "write_report"]
