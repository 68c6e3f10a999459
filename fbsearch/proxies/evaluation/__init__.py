"""Is a score any good here: correlations with trained accuracies, beside trivial baselines."""

from fbsearch.proxies.evaluation.choosing import ChosenEnsemble
from fbsearch.proxies.evaluation.evaluation import Evaluation, check_ensembles, evaluate_population
from fbsearch.proxies.evaluation.judging import Judgement
from fbsearch.proxies.evaluation.population import BASELINES, MIN_NETWORKS, ScoredPopulation, check_order
from fbsearch.proxies.evaluation.resampling import Estimate, two_decimals

__all__ = [
    "BASELINES",
    "MIN_NETWORKS",
    "ChosenEnsemble",
    "Estimate",
    "Evaluation",
    "Judgement",
    "ScoredPopulation",
    "check_ensembles",
    "check_order",
    "evaluate_population",
    "two_decimals",
]
