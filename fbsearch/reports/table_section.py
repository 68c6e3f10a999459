"""The page's section about a device's latency table."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.latency import LatencyTable
from fbsearch.reports.formatting import ms_decimals
from fbsearch.reports.run_folder import RunFolder
from fbsearch.reports.table_figures import TableFigures, make_table_figures
from fbsearch.reports.whole_networks import WholeNetworks, compare_whole_networks, describe_errors


@dataclass(frozen=True)
class TableSection:
    """What the template shows of a table.

    Args:
        device: its name; empty where there is but one.
        table: itself.
        figures: the table in numbers.
        networks: measured as a whole, where there are any.
        sentence: about them.
        decimals: of the slowest operators' milliseconds.
    """

    device: str
    table: LatencyTable
    figures: TableFigures
    networks: WholeNetworks | None
    sentence: str
    decimals: int


def table_sections(run: RunFolder) -> tuple[TableSection, ...]:
    """A section for each device that has a table."""
    is_alone = len(run.targets) == 1
    return tuple(
        _section(target.table, "" if is_alone else target.name)
        for target in run.targets
        if target.table is not None
    )


def _section(table: LatencyTable, device: str) -> TableSection:
    figures, networks = make_table_figures(table), compare_whole_networks(table)
    return TableSection(
        device=device,
        table=table,
        figures=figures,
        networks=networks,
        sentence=describe_errors(networks) if networks else "",
        decimals=ms_decimals(row.latency_us for row in figures.slowest),
    )
