"""Differentiable searches: the choice relaxed to a distribution that learns by gradients."""

from fbsearch.search.relaxed.dnas import DnasTask
from fbsearch.search.relaxed.objective import BudgetObjective, FbnetObjective, Objective
from fbsearch.search.relaxed.searched_supernet import SearchedSupernet
from fbsearch.search.relaxed.settings import DnasSettings, TemperatureSchedule
from fbsearch.search.relaxed.supernet_search import search_supernet

__all__ = [
    "BudgetObjective",
    "DnasSettings",
    "DnasTask",
    "FbnetObjective",
    "Objective",
    "SearchedSupernet",
    "TemperatureSchedule",
    "search_supernet",
]
