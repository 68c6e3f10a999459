"""The key below a chart: what its marks mean."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from fbsearch.reports.svg import tag, text

KEY_HEIGHT = 20
_CHARACTER, _MARK, _BETWEEN = 5.6, 12, 14


def mark(x: float, y: float, style: str) -> Markup:
    """A point: ``dot`` or ``ring``, ``small`` perhaps, and its role, which gives the colour."""
    words = style.split()
    radius = 3.0 if "small" in words else 5.0 if "chosen" in words else 4.0
    return tag("circle", cx=x, cy=y, r=radius, class_=style)


def draw_key(entries: Sequence[tuple[str, str]], *, width: float, y: float) -> Markup:
    """Marks and their names in one row.

    Args:
        entries: style of the mark, and name.
        width: of the chart, in whose middle the row stands.
        y: of the row's middle.
    """
    lengths = [_MARK + _CHARACTER * len(name) for _, name in entries]
    at = (width - sum(lengths) - _BETWEEN * (len(entries) - 1)) / 2
    parts = []
    for (style, name), length in zip(entries, lengths, strict=True):
        parts.append(mark(at + 4, y, style))
        parts.append(text(at + _MARK, y + 4, name, "note"))
        at += length + _BETWEEN
    return Markup("").join(parts)
