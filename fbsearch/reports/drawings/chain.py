"""The drawing of one operator in the chain: size tells expansion, colour the kernel."""

from __future__ import annotations

import math

from markupsafe import Markup

from fbsearch.architecture import Operator
from fbsearch.reports.charts.svg import drawing, line, tag

WIDTH, HEIGHT = 112, 34
CENTRE = 50
ARC = 104
KERNEL_CLASSES = {1: "k1", 3: "k3", 5: "k5", 7: "k7"}


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
    return KERNEL_CLASSES.get(operator.kernel, "k7") if operator.kind == "mbconv" else "fixed"


def block_width(operator: Operator) -> float:
    """Width of the body: grows with the expansion, square-root wise so that 1, 3 and 6 stay apart."""
    if operator.kind == "mbconv":
        return min(16 + 24 * math.sqrt(operator.expansion), 88)
    return {"conv": 52.0, "classifier": 52.0, "skip": 16.0}[operator.kind]


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
    width = block_width(operator)
    height = 12 + min(operator.kernel, 7) if operator.kind != "skip" else 10
    colour = kernel_class(operator)
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
        radius = height / 2 if operator.kind == "classifier" else 2.5
        parts = [tag("rect", x=left, y=y, width=width, height=height, rx=radius, class_=f"body {colour}")]
    for group in range(1, min(operator.groups, 4)):
        at = left + width * group / min(operator.groups, 4)
        parts.append(line(at, y - 1, at, y + height + 1, "gap"))
    if operator.squeeze_excite:
        parts.append(tag("circle", cx=CENTRE, cy=HEIGHT / 2, r=3, class_="gate"))
    return parts
