"""Inline SVG as escaped markup; colours come from the page's style sheet, for light and dark."""

from __future__ import annotations

from markupsafe import Markup, escape


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


# The page's own rules, written out: many viewers of files know no variables.
_STYLE = """
svg { font: 11px system-ui, sans-serif; background: #ffffff }
text { fill: #5c646d } .title { font-size: 12px; font-weight: 600; fill: #1c2024 } .note { font-size: 10.5px }
.grid { stroke: #e3e4e0 } .reference { stroke: #5c646d; stroke-dasharray: 4 3 }
.line { fill: none; stroke-width: 2 } .line.front { stroke: #0072b2; stroke-width: 1.25 }
.dot.main, .dot.front { fill: #0072b2 } .dot.second { fill: #d55e00; fill-opacity: 0.7 }
.dot.dominated { fill: #98a1aa } .ring, .outline { fill: none; stroke-width: 2 }
.ring.small { stroke-width: 1 }
.ring.front, .link.front { stroke: #0072b2 } .ring.dominated, .link.dominated { stroke: #98a1aa }
.dot.chosen { fill: #c25400 } .ring.chosen, .link.chosen { stroke: #c25400 }
.cell.blue { fill: #0072b2 } .cell.orange { fill: #d55e00 } .outline { stroke: #1c2024 }
.value { fill: #1c2024 } .value.blue.highest { fill: #ffffff } .value.chosen { font-weight: 650 }
@media (prefers-color-scheme: dark) {
svg { background: #14171a } text { fill: #a9b1b9 } .title, .value { fill: #e8eaec }
.grid { stroke: #2c3238 } .reference { stroke: #a9b1b9 }
.line.front, .ring.front, .link.front { stroke: #5cb3ea } .dot.main, .dot.front { fill: #5cb3ea }
.dot.second, .dot.chosen { fill: #f0a04b } .ring.chosen, .link.chosen { stroke: #f0a04b }
.dot.dominated { fill: #78838d } .ring.dominated, .link.dominated { stroke: #78838d }
.cell.blue { fill: #5cb3ea } .cell.orange { fill: #f0a04b } .outline { stroke: #e8eaec }
.value.high, .value.highest, .value.blue.highest { fill: #0e1215 }
}
"""


def standalone(svg: Markup) -> str:
    """A drawing as a file of its own, with the styles that the page would give it."""
    opening, rest = svg.split(">", 1)
    return f'{opening} xmlns="http://www.w3.org/2000/svg">{tag("style", Markup(_STYLE))}{rest}\n'


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def text(x: float, y: float, content: str, class_: str, *, anchor: str = "start") -> Markup:
    """A text whose baseline starts, is centred or ends at (x, y)."""
    return tag("text", content, x=x, y=y, class_=class_, text_anchor=anchor)


def polyline(points: list[tuple[float, float]], class_: str) -> Markup:
    """A line through points."""
    path = " ".join(f"{_attribute(x)},{_attribute(y)}" for x, y in points)
    return tag("polyline", points=path, class_=class_)


def _attribute(value: str | float) -> str:
    """Numbers to a tenth of a pixel, which keeps the page small."""
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
