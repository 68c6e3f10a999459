"""Searches by trials: a sampler proposes, an evaluator judges, budgets decide what is worth a trial."""

from fbsearch.search.trials.evaluation import Evaluator, ShortTraining
from fbsearch.search.trials.evolution import EvolutionSettings, EvolutionTask, SearchedEvolution
from fbsearch.search.trials.random_search import RandomSampler
from fbsearch.search.trials.sampler import Sampler
from fbsearch.search.trials.search import SearchedTrials, sampling_method, search_by_trials
from fbsearch.search.trials.settings import ShortTrainingSettings, TrialSettings
from fbsearch.search.trials.task import Trial, TrialsTask

__all__ = [
    "Evaluator",
    "EvolutionSettings",
    "EvolutionTask",
    "RandomSampler",
    "Sampler",
    "SearchedEvolution",
    "SearchedTrials",
    "ShortTraining",
    "ShortTrainingSettings",
    "Trial",
    "TrialSettings",
    "TrialsTask",
    "sampling_method",
    "search_by_trials",
]
