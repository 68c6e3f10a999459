"""Scores of networks that nobody has trained."""

from fbsearch.proxies import counts, zen  # noqa: F401  # they register themselves
from fbsearch.proxies.ensemble import rank_log
from fbsearch.proxies.proxy import Proxy, expand_names, find_proxy, proxy_names, register_proxy
from fbsearch.proxies.scoring import ProxyScore, score_subject
from fbsearch.proxies.subject import Subject, subject_of

__all__ = [
    "Proxy",
    "ProxyScore",
    "Subject",
    "expand_names",
    "find_proxy",
    "proxy_names",
    "rank_log",
    "register_proxy",
    "score_subject",
    "subject_of",
]
