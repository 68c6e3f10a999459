"""Zen-NAS' evolution: structures that mutate, judged by scores that need no training."""

from fbsearch.search.trials.evolution.method import search_by_evolution
from fbsearch.search.trials.evolution.searched import SearchedEvolution
from fbsearch.search.trials.evolution.settings import EvolutionSettings
from fbsearch.search.trials.evolution.task import EvolutionTask

__all__ = ["EvolutionSettings", "EvolutionTask", "SearchedEvolution", "search_by_evolution"]
