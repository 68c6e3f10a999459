"""The drawing of one operator in the chain: size tells expansion, colour the kernel."""

from __future__ import annotations

from markupsafe import Markup

from fbsearch.architecture import Operator
from fbsearch.reports.charts.svg import drawing, line, tag
from fbsearch.reports.drawings.sketches import sketch

WIDTH, HEIGHT = 112, 34
CENTRE = 50
ARC = 104


def draw_block(
    operator: Operator, description: str, *, is_first: bool = False, is_last: bool = False
) -> Markup:
    """One link of the chain.

    Args:
        operator: what to draw.
        description: the same in words.
        is_first, is_last: where the line of data begins or ends.
    """
    top, bottom = (HEIGHT / 2 if is_first else 0), (HEIGHT / 2 if is_last else HEIGHT)
    if operator.is_identity:
        parts = [line(CENTRE, 0, CENTRE, HEIGHT, "flow skip")]
    else:
        parts = [line(CENTRE, top, CENTRE, bottom, "flow"), *_residual(operator), *_body(operator)]
    return drawing(WIDTH, HEIGHT, *parts, label=description, class_="block")


def kernel_class(operator: Operator) -> str:
    """Style class of the operator's colour: the kernel of searched blocks, one neutral for the rest."""
    return sketch(operator).colour


def _residual(operator: Operator) -> list[Markup]:
    if not operator.has_residual:
        return []
    top, low, corner = 2.5, HEIGHT - 2.5, ARC - 6
    over = f"M{CENTRE} {top} H{corner} Q{ARC} {top} {ARC} {top + 6}"
    back = f"V{low - 6} Q{ARC} {low} {corner} {low} H{CENTRE}"
    path = f"{over} {back}"
    return [tag("path", d=path, class_="residual")]


def _body(operator: Operator) -> list[Markup]:
    """Halves of a grouped block stand apart; a block that halves the resolution narrows downwards."""
    looks = sketch(operator)
    width, height, colour = looks.width, looks.height, looks.colour
    left, y = CENTRE - width / 2, (HEIGHT - height) / 2
    if operator.stride == 2:
        inset = width * 0.17
        corners = [
            (left, y),
            (left + width, y),
            (left + width - inset, y + height),
            (left + inset, y + height),
        ]
        path = " ".join(f"{cx:.1f},{cy:.1f}" for cx, cy in corners)
        parts = [tag("polygon", points=path, class_=f"body {colour}")]
    else:
        radius = height / 2 if looks.is_round else 2.5
        parts = [tag("rect", x=left, y=y, width=width, height=height, rx=radius, class_=f"body {colour}")]
    for group in range(1, min(looks.groups, 4)):
        at = left + width * group / min(looks.groups, 4)
        parts.append(line(at, y - 1, at, y + height + 1, "gap"))
    if looks.has_gate:
        parts.append(tag("circle", cx=CENTRE, cy=HEIGHT / 2, r=3, class_="gate"))
    return parts
