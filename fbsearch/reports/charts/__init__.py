"""Charts as SVG: of each the numbers that it shows, what prepares them, and what draws them.

A new chart is a file here: a frozen dataclass of numbers, a function that makes it, and a function that lays
marks (``marks``) over axes (``axes``, with a ``Unit`` for either direction) and hands them to ``draw_chart``.
"""

from fbsearch.reports.charts.calibration_chart import (
    CalibrationChart,
    describe_errors,
    describe_line,
    draw_calibration,
    make_calibration_chart,
)
from fbsearch.reports.charts.forest import Forest, ForestRow, draw_forest, write_forest
from fbsearch.reports.charts.heat_map import (
    STRENGTH_STEPS,
    HeatCell,
    HeatMap,
    Row,
    draw_heat_map,
    latency_grid,
    probability_grid,
)
from fbsearch.reports.charts.histogram import Histogram, draw_histogram, make_histogram
from fbsearch.reports.charts.lines import LineChart, Reference, Role, Series, draw_lines
from fbsearch.reports.charts.pareto import ParetoPlot, ParetoPoint, draw_pareto, find_dominated
from fbsearch.reports.charts.population import Population, PopulationPoint, draw_population
from fbsearch.reports.charts.predictions import Predictions, draw_predictions, write_predictions
from fbsearch.reports.charts.standalone import standalone

__all__ = [
    "STRENGTH_STEPS",
    "CalibrationChart",
    "Forest",
    "ForestRow",
    "HeatCell",
    "HeatMap",
    "Histogram",
    "LineChart",
    "ParetoPlot",
    "ParetoPoint",
    "Population",
    "PopulationPoint",
    "Predictions",
    "Reference",
    "Role",
    "Row",
    "Series",
    "describe_errors",
    "describe_line",
    "draw_calibration",
    "draw_forest",
    "draw_heat_map",
    "draw_histogram",
    "draw_lines",
    "draw_pareto",
    "draw_population",
    "draw_predictions",
    "find_dominated",
    "latency_grid",
    "make_calibration_chart",
    "make_histogram",
    "probability_grid",
    "standalone",
    "write_forest",
    "write_predictions",
]
