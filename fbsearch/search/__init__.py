"""Searches behind one protocol: a problem in, architectures within budgets out; none knows a device."""

from fbsearch.search import relaxed, trials
from fbsearch.search.finalist import Finalist
from fbsearch.search.limit import Limit
from fbsearch.search.method import (
    DEFAULT_METHOD,
    AnyMethodSettings,
    Method,
    Search,
    Searched,
    Session,
    find_method,
    method_names,
)
from fbsearch.search.method_settings import MethodSettings
from fbsearch.search.problem import Problem
from fbsearch.search.rehearsal import Rehearsal, rehearse
from fbsearch.search.result import SearchResult
from fbsearch.search.selection import check_feasible, least_within, most_probable, sample_within

__all__ = [
    "DEFAULT_METHOD",
    "AnyMethodSettings",
    "Finalist",
    "Limit",
    "Method",
    "MethodSettings",
    "Problem",
    "Rehearsal",
    "Search",
    "SearchResult",
    "Searched",
    "Session",
    "check_feasible",
    "find_method",
    "least_within",
    "method_names",
    "most_probable",
    "rehearse",
    "relaxed",
    "sample_within",
    "trials",
]
