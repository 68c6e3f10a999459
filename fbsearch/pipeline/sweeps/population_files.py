"""``pareto.json`` and ``pareto.svg`` of a search by scores: its last population over each cost."""

from __future__ import annotations

from pathlib import Path

from fbsearch.files import write_json, write_text
from fbsearch.records import SearchRecord
from fbsearch.records.paths import numbered
from fbsearch.reports.charts import draw_population, find_dominated, standalone
from fbsearch.reports.search_figures import population_plots


def write_population(search: SearchRecord, folder: Path) -> Path | None:
    """Write both files for every budget, ``pareto-2.json`` and so on from the second on.

    Args:
        search: the result of a search.
        folder: of the run.

    Returns:
        The first budget's figure; None where nothing was scored.
    """
    if not search.scored:
        return None
    score, costs = next(iter(search.scored[0].scores)), list(search.scored[0].costs)
    for number, (cost, plot) in enumerate(zip(costs, population_plots(search), strict=True), start=1):
        ordered = sorted(search.scored, key=lambda one: (one.costs[cost], -one.scores[score]))
        dominated = find_dominated(
            [one.costs[cost] for one in ordered], [one.scores[score] for one in ordered]
        )
        rows = [
            {
                "choices": list(one.choices),
                "score": one.scores[score],
                "cost": one.costs[cost],
                "is_dominated": is_dominated,
            }
            for one, is_dominated in zip(ordered, dominated, strict=True)
        ]
        path = _figure(folder, number)
        write_json(path.with_suffix(".json"), {"cost": cost, "score": score, "structures": rows})
        write_text(path, standalone(draw_population(plot)))
    return _figure(folder, 1) if costs else None


def _figure(folder: Path, number: int) -> Path:
    return folder / f"{numbered('pareto', number, separator='-')}.svg"
