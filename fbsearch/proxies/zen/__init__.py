"""Zen-Score and Φ-score (Lin et al., "Zen-NAS", 2021)."""

from fbsearch.proxies.zen.score import PhiScore, ZenScore

__all__ = ["PhiScore", "ZenScore"]
