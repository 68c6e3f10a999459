"""The top of the page: the verdict, what needs attention, and the numbers that count."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.reports.budgets import BudgetRow, DeviceRow, budget_rows, device_rows
from fbsearch.reports.facts import Tile, verdict_tiles
from fbsearch.reports.notices import Notice, find_notices
from fbsearch.reports.run_folder import RunFolder
from fbsearch.reports.verdict import Verdict, make_verdict, verdict_decimals


@dataclass(frozen=True)
class VerdictSection:
    """What the template shows; ``decimals`` are those of its milliseconds."""

    verdict: Verdict
    decimals: int
    notices: tuple[Notice, ...]
    tiles: tuple[Tile, ...]
    budgets: tuple[BudgetRow, ...]
    devices: tuple[DeviceRow, ...]


def verdict_section(run: RunFolder) -> VerdictSection:
    """The verdict; where devices have rows of their own, their budgets are not listed twice."""
    devices = device_rows(run)
    rows = budget_rows(run.verification)
    return VerdictSection(
        verdict=make_verdict(run.verification),
        decimals=verdict_decimals(run.verification) if run.verification else 3,
        notices=find_notices(run),
        tiles=verdict_tiles(run),
        budgets=tuple(row for row in rows if not (devices and row.source == "measured")),
        devices=tuple(devices),
    )
