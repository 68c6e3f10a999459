"""A drawing as a file of its own, with the rules of ``chart.css`` that concern it.

Many viewers of files know no variables, so every colour is written out, once for light and once for dark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

from markupsafe import Markup

from fbsearch.reports.charts.svg import tag

_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_VARIABLE = re.compile(r"(--[\w-]+): ([^;]+);")
_USE = re.compile(r"var\((--[\w-]+)\)")
_CLASS = re.compile(r"\.([a-z][\w-]*)")


def standalone(svg: Markup) -> str:
    """The drawing with the styles that a page would give it."""
    opening, rest = svg.split(">", 1)
    used = {name for names in re.findall(r'class="([^"]*)"', svg) for name in names.split()}
    style = tag("style", Markup("\n".join(["", *_rules(used), ""])))
    return f'{opening} xmlns="http://www.w3.org/2000/svg">{style}{rest}\n'


def _rules(used: set[str]) -> Iterator[str]:
    """Rules for these classes: all of them in light colours, then what is another colour in the dark."""
    light, dark = _palettes()
    rules = [(selector, body) for selector, body in _sheet() if selector_classes(selector) <= used]
    yield from (f"{selector} {{ {'; '.join(_resolve(body, light))} }}" for selector, body in rules)
    yield "@media (prefers-color-scheme: dark) {"
    for selector, body in rules:
        coloured = [declaration for declaration in body if _USE.search(declaration)]
        if coloured:
            yield f"{selector} {{ {'; '.join(_resolve(coloured, dark))} }}"
    yield "}"


def selector_classes(selector: str) -> set[str]:
    """Classes that an element and those around it need for a rule to concern it.

    >>> sorted(selector_classes("svg .dot.main"))
    ['dot', 'main']
    """
    return set(_CLASS.findall(selector))


def _resolve(body: list[str], palette: Mapping[str, str]) -> list[str]:
    return [_USE.sub(lambda use: palette[use[1]], declaration) for declaration in body]


@cache
def _sheet() -> tuple[tuple[str, list[str]], ...]:
    """Every selector of the style sheet with its declarations."""
    return tuple(
        (selector.strip(), [part.strip() for part in body.split(";") if part.strip()])
        for selectors, body in _RULE.findall(_read("chart.css"))
        for selector in selectors.split(",")
    )


@cache
def _palettes() -> tuple[dict[str, str], dict[str, str]]:
    """The light and the dark colours by the names of their variables."""
    light, dark = _read("palette.css").split("@media (prefers-color-scheme: dark)")
    return dict(_VARIABLE.findall(light)), dict(_VARIABLE.findall(dark))


def _read(name: str) -> str:
    sheet = resources.files(__package__).joinpath(name).read_text("utf-8")
    return re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
