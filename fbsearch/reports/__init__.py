"""A run's page, one self-contained HTML file about all that its folder holds, and its figures as files."""

from fbsearch.reports.figures import write_figures
from fbsearch.reports.page import write_report
from fbsearch.reports.run_folder import RunFolder, read_run

__all__ = ["RunFolder", "read_run", "write_figures", "write_report"]
