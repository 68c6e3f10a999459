"""Where the trials of a generation run: here, in worker processes, or on a cluster."""

from fbsearch.search.trials.workers.crew import Crew, Workers
from fbsearch.search.trials.workers.opening import open_crew

__all__ = ["Crew", "Workers", "open_crew"]
