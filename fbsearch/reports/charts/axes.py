"""Axes that all charts share: the frame, scales along its edges, ticks, the grid and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fbsearch.reports.charts.scales import Scale
from fbsearch.reports.charts.svg import Place, line, text
from fbsearch.reports.charts.units import Unit

WIDTH, HEIGHT = 360, 222


@dataclass(frozen=True)
class Frame:
    """The rectangle that the grid fills within a drawing of ``WIDTH`` x ``HEIGHT``, in pixels.

    Args:
        left, right, top, bottom: its edges; right of it there is room for the values in which lines end.
        inset: how far the axes' ends keep from these edges, in the same order.
    """

    left: float = 46
    right: float = WIDTH - 54
    top: float = 12
    bottom: float = HEIGHT - 36
    inset: tuple[float, float, float, float] = (0, 0, 0, 0)

    @property
    def across(self) -> tuple[float, float]:
        """Where a horizontal axis begins and ends."""
        return self.left + self.inset[0], self.right - self.inset[1]

    @property
    def upwards(self) -> tuple[float, float]:
        """Where a vertical axis begins and ends: from the bottom to the top."""
        return self.bottom - self.inset[3], self.top + self.inset[2]


@dataclass(frozen=True)
class Axis:
    """One direction of a chart: the place of every value, and the values that are named."""

    unit: Unit
    scale: Scale
    ticks: tuple[float, ...]
    name: str = ""

    def __call__(self, value: float) -> float:
        """The place of ``value``."""
        return self.scale(value)

    def labels(self) -> list[tuple[float, str]]:
        """Place and text of every tick."""
        write = self.unit.tick_writer(self.ticks)
        return [(self(tick), write(tick)) for tick in self.ticks]


def axis_of_ticks(unit: Unit, values: Sequence[float], ends: Place, *, name: str = "") -> Axis:
    """An axis that begins and ends with a tick, all values between.

    Args:
        unit: of the values.
        values: what it must hold, at least one.
        ends: where it begins and ends: an edge of the frame.
        name: below it.
    """
    ticks = unit.ticks(min(values), max(values))
    return Axis(unit, Scale(ticks[0], ticks[-1], *ends), ticks, name)


def axis_of_values(unit: Unit, values: Sequence[float], ends: Place, *, name: str = "") -> Axis:
    """An axis that begins with the least of two or more values and ends with the greatest."""
    low, high = min(values), max(values)
    slack = 1e-9 * (high - low)
    ticks = tuple(tick for tick in unit.ticks(low, high) if low - slack <= tick <= high + slack)
    return Axis(unit, Scale(low, high, *ends), ticks, name)


@dataclass(frozen=True)
class Axes:
    """Both directions of a chart."""

    frame: Frame
    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> Place:
        """The place of a point."""
        return self.x(x), self.y(y)

    def draw(self) -> Markup:
        """The grid, what its lines stand for, and the ticks and the name below."""
        frame = self.frame
        parts: list[Markup] = []
        for at, label in self.y.labels():
            parts.append(line(frame.left, at, frame.right, at, "grid"))
            parts.append(text(frame.left - 6, at + 4, label, "tick", anchor="end"))
        parts += [
            text(at, frame.bottom + 15, label, "tick", anchor="middle") for at, label in self.x.labels()
        ]
        middle = (frame.left + frame.right) / 2
        parts.append(text(middle, frame.bottom + 33, self.x.name, "axis", anchor="middle"))
        return Markup("").join(parts)
