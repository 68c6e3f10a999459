"""Searches: each takes a space, a cost, data and a seed; none knows a device."""

from fbsearch.search.dnas import DnasTask
from fbsearch.search.layerwise import SearchedSupernet, search_layerwise
from fbsearch.search.objective import BudgetObjective, FbnetObjective, Objective
from fbsearch.search.problem import Problem
from fbsearch.search.result import Finalist, SearchResult
from fbsearch.search.selection import Limit, check_feasible, least_within, most_probable, sample_within
from fbsearch.search.settings import SearchSettings, TemperatureSchedule

__all__ = [
    "BudgetObjective",
    "DnasTask",
    "FbnetObjective",
    "Finalist",
    "Limit",
    "Objective",
    "Problem",
    "SearchResult",
    "SearchSettings",
    "SearchedSupernet",
    "TemperatureSchedule",
    "check_feasible",
    "least_within",
    "most_probable",
    "sample_within",
    "search_layerwise",
]
