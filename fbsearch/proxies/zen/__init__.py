"""Zen-Score and Φ-score (Lin et al., "Zen-NAS", 2021)."""

from fbsearch.proxies.zen.score import PhiScore, ZenScore, feature_note, is_zen

__all__ = ["PhiScore", "ZenScore", "feature_note", "is_zen"]
