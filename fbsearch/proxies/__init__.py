"""Scores of networks that nobody has trained."""

from fbsearch.proxies import (  # noqa: F401  # they make themselves known
    counts,
    grad_norm,
    grasp,
    jacobian_covariance,
    linear_regions,
    naswot,
    neural_tangent,
    snip,
    synflow,
    zen,
)
from fbsearch.proxies.ensemble import rank_log
from fbsearch.proxies.latency import LatencyProxy
from fbsearch.proxies.proxy import Proxy, expand_names, find_proxy, proxy_names, register_proxy
from fbsearch.proxies.scoring import ProxyScore, score_subject, usual_batch_size
from fbsearch.proxies.subject import Subject, subject_of
from fbsearch.proxies.user_module import subject_of_module

__all__ = [
    "LatencyProxy",
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
    "subject_of_module",
    "usual_batch_size",
]
