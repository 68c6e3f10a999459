"""Is a score any good here: correlations with trained accuracies, beside trivial baselines."""

from fbsearch.proxies.evaluation.choosing import ChosenEnsemble
from fbsearch.proxies.evaluation.evaluation import Evaluation, evaluate_population
from fbsearch.proxies.evaluation.judging import Judgement
from fbsearch.proxies.evaluation.population import BASELINES, ScoredPopulation
from fbsearch.proxies.evaluation.resampling import Estimate

__all__ = [
    "BASELINES",
    "ChosenEnsemble",
    "Estimate",
    "Evaluation",
    "Judgement",
    "ScoredPopulation",
    "evaluate_population",
]
