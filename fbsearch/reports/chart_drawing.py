"""Line charts, whole networks and histograms as SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from fbsearch.reports.curves import LineChart, Reference, Series, Unit
from fbsearch.reports.formatting import format_accuracy, format_ms, format_number, format_percent, ms_decimals
from fbsearch.reports.scales import Scale, nice_ticks
from fbsearch.reports.svg import drawing, line, polyline, tag, text
from fbsearch.reports.table_figures import Histogram
from fbsearch.reports.whole_networks import WholeNetworks

WIDTH, HEIGHT = 360, 222
LEFT, RIGHT, TOP, BOTTOM = 46, 54, 12, 36
TICK_LINE, NAME_LINE = HEIGHT - BOTTOM + 15, HEIGHT - 3
MAX_POINTS = 400


def _plain_ms(latency_us: float) -> str:
    return format_ms(latency_us, unit=False)


def _short_number(value: float) -> str:
    return format_number(value, digits=3 if abs(value) >= 1e-3 else 2)


_END_FORMATS: dict[Unit, Callable[[float], str]] = {
    "number": _short_number,
    "accuracy": format_accuracy,
    "latency": _plain_ms,
}


def draw_lines(chart: LineChart) -> Markup:
    """A line chart; every line ends in its last value."""
    epochs = [x for series in chart.series for x, _ in series.points]
    x_ticks = nice_ticks(min(epochs), max(epochs), num=5, whole=True)
    x = Scale(min(epochs), max(max(epochs), min(epochs) + 1), LEFT, WIDTH - RIGHT)
    ticks, y = _value_scale(chart)
    write = tick_writer(chart.unit, ticks)
    parts = [_warm_up(chart, x), horizontal_grid(ticks, y, write)]
    parts += [
        text(x(tick), TICK_LINE, f"{tick:.0f}", "tick", anchor="middle")
        for tick in x_ticks
        if x.low <= tick <= x.high
    ]
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, NAME_LINE, chart.x_name, "axis", anchor="middle"))
    if chart.reference:
        parts.append(_reference(chart, chart.reference, y))
    parts += [_series(series, x, y) for series in chart.series]
    parts += _end_labels(chart, x, y)
    return drawing(WIDTH, HEIGHT, *parts, label=chart.label)


def draw_whole_networks(networks: WholeNetworks) -> Markup:
    """Measured latency over the table's sum, the fitted line, and where both would be equal."""
    values = [value for point in networks.points for value in point]
    x, y, parts = equal_axes(values, "sum of the table, ms (measured upwards)")
    (left, start), (right, end) = networks.line
    parts.append(polyline([(x(left), y(start)), (x(right), y(end))], "line main"))
    for total, latency in networks.points:
        words = f"sum {format_ms(total)}, measured {format_ms(latency)}"
        parts.append(tag("circle", tag("title", words), cx=x(total), cy=y(latency), r=4, class_="dot main"))
    return drawing(WIDTH, HEIGHT, *parts, label=networks.label)


def equal_axes(values_us: Sequence[float], name: str) -> tuple[Scale, Scale, list[Markup]]:
    """Two axes of latencies with the same ticks, and the line where both are equal.

    Args:
        values_us: what they must hold, in microseconds.
        name: of the horizontal axis.

    Returns:
        The horizontal scale, the vertical one, and what is drawn so far.
    """
    ticks = latency_ticks(min(values_us), max(values_us))
    write = tick_writer("latency", ticks)
    x = Scale(ticks[0], ticks[-1], LEFT + 8, WIDTH - 24)
    y = Scale(ticks[0], ticks[-1], HEIGHT - BOTTOM - 4, TOP + 4)
    parts = [horizontal_grid(ticks, y, write, right=WIDTH - 8), *latency_axis(ticks, x, name)]
    parts.append(line(x(ticks[0]), y(ticks[0]), x(ticks[-1]), y(ticks[-1]), "reference"))
    return x, y, parts


def latency_ticks(low_us: float, high_us: float) -> tuple[float, ...]:
    """Ticks in microseconds that are round in milliseconds."""
    return tuple(1000 * tick for tick in nice_ticks(low_us / 1000, high_us / 1000, num=4))


def latency_axis(ticks: Sequence[float], x: Scale, name: str) -> list[Markup]:
    """Milliseconds below a chart, and the axis' name below them."""
    write = tick_writer("latency", ticks)
    labels = [text(x(tick), TICK_LINE, write(tick), "tick", anchor="middle") for tick in ticks]
    return [*labels, text(WIDTH / 2, NAME_LINE, name, "axis", anchor="middle")]


def draw_histogram(histogram: Histogram) -> Markup:
    """Counts over relative confidence intervals, with the target as a line."""
    bins = histogram.bins
    ticks = nice_ticks(0, max(b.count for b in bins), num=4, whole=True)
    x = Scale(bins[0].low, bins[-1].high, LEFT, WIDTH - 12)
    y = Scale(0, ticks[-1], HEIGHT - BOTTOM, TOP)
    parts = [horizontal_grid(ticks, y, lambda tick: f"{tick:.0f}", right=WIDTH - 12)]
    parts += _bars(histogram, x, y)
    for tick in nice_ticks(0, bins[-1].high, num=5):
        if tick <= bins[-1].high * (1 + 1e-9):
            label = f"{100 * tick:g}\u00a0%"
            parts.append(text(x(tick), TICK_LINE, label, "tick", anchor="middle"))
    parts.append(text((LEFT + WIDTH) / 2, NAME_LINE, "relative confidence interval", "axis", anchor="middle"))
    if histogram.target is not None:
        parts.append(_target(histogram.target, x))
    return drawing(WIDTH, HEIGHT, *parts, label=histogram.label)


def _bars(histogram: Histogram, x: Scale, y: Scale) -> list[Markup]:
    """A bar per filled bin, those beyond the target in the other colour."""
    bars = []
    for b in histogram.bins:
        if not b.count:
            continue
        is_wide = histogram.target is not None and b.low >= histogram.target * (1 - 1e-9)
        span = f"{format_percent(b.low, decimals=1)} to {format_percent(b.high, decimals=1)}"
        if b.is_open:
            span = f"{format_percent(b.low, decimals=1)} or more"
        bars.append(
            tag(
                "rect", tag("title", f"{span}: {b.count}"), x=x(b.low) + 0.5, y=y(b.count),
                width=x(b.high) - x(b.low) - 1, height=y(0) - y(b.count),
                class_=f"bar {'second' if is_wide else 'main'}",
            )
        )  # fmt: skip
    return bars


def _target(target: float, x: Scale) -> Markup:
    at = x(target)
    is_right = at > 0.7 * WIDTH
    label = text(
        at + (-5 if is_right else 5), TOP + 9, f"target {100 * target:g}\u00a0%", "note",
        anchor="end" if is_right else "start",
    )  # fmt: skip
    return line(at, TOP, at, HEIGHT - BOTTOM, "reference") + label


def thin(points: Sequence[tuple[float, float]], limit: int = MAX_POINTS) -> list[tuple[float, float]]:
    """At most about ``limit`` of the points, the first and the last among them."""
    if len(points) <= limit:
        return list(points)
    step = -(-len(points) // limit)
    kept = list(points[::step])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def _value_scale(chart: LineChart) -> tuple[tuple[float, ...], Scale]:
    values = [value for series in chart.series for _, value in series.points]
    if chart.reference:
        values.append(chart.reference.value)
    low, high = min(values), max(values)
    if chart.from_zero and low >= 0:
        low = 0.0
    if chart.unit == "accuracy":
        ticks = accuracy_ticks(low, high)
    elif chart.unit == "latency":
        ticks = latency_ticks(low, high)
    else:
        ticks = nice_ticks(low, high, num=4)
    return ticks, Scale(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)


def accuracy_ticks(low: float, high: float) -> tuple[float, ...]:
    """Ticks that span two accuracies, none below 0 or above 1."""
    ticks = nice_ticks(low, high, num=4)
    return tuple(tick for tick in ticks if 0 <= tick <= 1) if ticks[0] < 0 or ticks[-1] > 1 else ticks


def tick_writer(unit: Unit, ticks: Sequence[float]) -> Callable[[float], str]:
    """Axis labels: all with the same number of decimals."""
    if unit == "accuracy":
        decimals = _tick_decimals([100 * tick for tick in ticks])
        return lambda value: f"{100 * value:.{decimals}f}\u00a0%"
    if unit == "latency":
        decimals = max(_tick_decimals([tick / 1000 for tick in ticks]), ms_decimals(ticks) - 1)
        return lambda value: f"{value / 1000:.{decimals}f}"
    decimals = _tick_decimals(ticks)
    return lambda value: f"{value:.{decimals}f}".replace("-", "\u2212")


def _tick_decimals(ticks: Sequence[float]) -> int:
    """Decimals that tell the ticks apart and lose none of their digits."""
    return next((d for d in range(6) if all(abs(round(t, d) - t) < 1e-9 for t in ticks)), 6)


def horizontal_grid(
    ticks: Sequence[float], y: Scale, write: Callable[[float], str], *, right: float = WIDTH - RIGHT
) -> Markup:
    """A line and a label at every tick."""
    parts = []
    for tick in ticks:
        parts.append(line(LEFT, y(tick), right, y(tick), "grid"))
        parts.append(text(LEFT - 6, y(tick) + 4, write(tick), "tick", anchor="end"))
    return Markup("").join(parts)


def _reference(chart: LineChart, reference: Reference, y: Scale) -> Markup:
    """A dashed line, named on the side where the lines do not begin."""
    start = chart.series[0].points[: max(1, len(chart.series[0].points) // 3)]
    is_below = sum(value for _, value in start) / len(start) >= reference.value
    at = y(reference.value)
    name = f"{reference.name} {_END_FORMATS[chart.unit](reference.value)}"
    return line(LEFT, at, WIDTH - RIGHT, at, "reference") + text(
        LEFT + 4, at + (13 if is_below else -5), name, "note"
    )


def _warm_up(chart: LineChart, x: Scale) -> Markup:
    if chart.warm_up is None or not x.low <= chart.warm_up < x.high:
        return Markup("")
    width = x(chart.warm_up + 0.5) - LEFT
    shade = tag("rect", x=LEFT, y=TOP, width=width, height=HEIGHT - BOTTOM - TOP, class_="shade")
    return shade + text(LEFT + 4, HEIGHT - BOTTOM - 5, "warm-up", "note")


def _series(series: Series, x: Scale, y: Scale) -> Markup:
    points = [(x(epoch), y(value)) for epoch, value in thin(series.points)]
    if len(points) == 1:
        return tag("circle", cx=points[0][0], cy=points[0][1], r=3, class_=f"dot {series.role}")
    return polyline(points, f"line {series.role}")


def _end_labels(chart: LineChart, x: Scale, y: Scale) -> list[Markup]:
    """The lines' last values beside their ends, moved apart where they would touch."""
    write = _END_FORMATS[chart.unit]
    ends = sorted((y(series.points[-1][1]), series) for series in chart.series)
    places = [place for place, _ in ends]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + 13)
    overshoot = max(places[-1] - (HEIGHT - BOTTOM), 0)
    return [
        text(
            x(series.points[-1][0]) + 6,
            place - overshoot + 4,
            write(series.points[-1][1]),
            f"end {series.role}",
        )
        for place, (_, series) in zip(places, ends, strict=True)
    ]
