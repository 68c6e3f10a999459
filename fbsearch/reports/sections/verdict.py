"""The top of the page: the verdict, what needs attention, and the numbers that count."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.reports.budgets import BudgetRow, DeviceRow, budget_rows, device_rows
from fbsearch.reports.facts import Tile, verdict_tiles
from fbsearch.reports.notices import Notice, find_notices
from fbsearch.reports.run_folder import RunFolder
from fbsearch.reports.verdict import Verdict, make_verdict


@dataclass(frozen=True)
class VerdictSection:
    """What the template shows."""

    verdict: Verdict
    notices: tuple[Notice, ...]
    tiles: tuple[Tile, ...]
    budgets: tuple[BudgetRow, ...]
    devices: tuple[DeviceRow, ...]


def verdict_section(run: RunFolder) -> VerdictSection:
    """The verdict of all devices, and a row for each where there are several."""
    return VerdictSection(
        verdict=make_verdict([target.verification for target in run.targets]),
        notices=find_notices(run),
        tiles=verdict_tiles(run),
        budgets=budget_rows(run.verifications),
        devices=device_rows(run),
    )
