"""SVG as escaped markup; colours come from ``chart.css``, for light and dark."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

Place = tuple[float, float]
"""Pixels from the left and from the top."""


def tag(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """An element; children that are no markup are escaped, ``class_`` is ``class``, None leaves out.

    >>> tag("text", "a < b", x=1.5, class_="tick", text_anchor="end")
    Markup('<text x="1.5" class="tick" text-anchor="end">a &lt; b</text>')
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_attribute(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(children)
    return Markup(f"<{name}{written}>{inner}</{name}>") if inner else Markup(f"<{name}{written}/>")


def drawing(width: float, height: float, *children: str, label: str, class_: str = "chart") -> Markup:
    """An ``<svg>`` that scales with its container and tells screen readers what it shows."""
    return tag(
        "svg",
        *children,
        viewBox=f"0 0 {_attribute(width)} {_attribute(height)}",
        width=width,
        height=height,
        role="img",
        aria_label=label,
        class_=class_,
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def text(x: float, y: float, content: str, class_: str, *, anchor: str = "start") -> Markup:
    """A text whose baseline starts, is centred or ends at (x, y)."""
    return tag("text", content, x=x, y=y, class_=class_, text_anchor=anchor)


def polyline(points: Sequence[Place], class_: str) -> Markup:
    """A line through points."""
    path = " ".join(f"{_attribute(x)},{_attribute(y)}" for x, y in points)
    return tag("polyline", points=path, class_=class_)


def _attribute(value: str | float) -> str:
    """Numbers to a tenth of a pixel, which keeps the page small."""
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
