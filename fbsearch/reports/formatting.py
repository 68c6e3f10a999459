"""Numbers as people read them: one place for units, digits and spaces."""

from __future__ import annotations

import math
from collections.abc import Iterable

NO_BREAK = "\u00a0"
MINUS = "\u2212"
NOT_KNOWN = "\u2013"
_SUPERSCRIPTS = str.maketrans(
    "-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
)


def ms_decimals(values_us: Iterable[float]) -> int:
    """Decimals of milliseconds for a column: three digits for the largest, no positive value shown as zero.

    >>> ms_decimals([83.0, 100.0]), ms_decimals([1234.0]), ms_decimals([23400.0])
    (3, 2, 1)
    """
    positive = [value / 1000 for value in values_us if value > 0 and math.isfinite(value)]
    if not positive:
        return 3
    largest = _decimals(max(positive), digits=3)
    smallest = _decimals(min(positive), digits=1)
    return min(max(largest, min(smallest, largest + 2)), 6)


def format_ms(latency_us: float | None, *, decimals: int | None = None, unit: bool = True) -> str:
    """Microseconds in, milliseconds out: three digits, but no more than three decimals from 0.01 ms on.

    >>> format_ms(83.2, unit=False), format_ms(5.27, unit=False), format_ms(23_456, unit=False)
    ('0.083', '0.0053', '23.5')
    """
    if latency_us is None or not math.isfinite(latency_us):
        return NOT_KNOWN
    value = latency_us / 1000
    if decimals is None and value == 0:
        decimals = 0
    elif decimals is None:
        decimals = _decimals(abs(value), digits=3)
        decimals = min(decimals, 3) if abs(value) >= 0.01 else min(decimals - 1, 6)
    text = _signed(f"{value:.{decimals}f}")
    return f"{text}{NO_BREAK}ms" if unit else text


def on_device(label: str) -> str:
    """Where something is so, behind other words; empty without a label."""
    return f" on {label}" if label else ""


def format_percent(share: float | None, *, decimals: int | None = None, sign: bool = False) -> str:
    """A share as per cent; one decimal near 100 %, where it decides, and for small shares.

    >>> format_percent(0.831), format_percent(1.003), format_percent(-0.06, sign=True)
    ('83\\xa0%', '100.3\\xa0%', '\\u22126\\xa0%')
    """
    if share is None or not math.isfinite(share):
        return NOT_KNOWN
    value = 100 * share
    if decimals is None:
        decimals = 1 if (95 < abs(value) < 105 and value != 100) or 0 < abs(value) < 1 else 0
    text = _signed(f"{value:{'+' if sign else ''}.{decimals}f}")
    return f"{text}{NO_BREAK}%"


def format_accuracy(share: float | None) -> str:
    """An accuracy, always with one decimal: ``97.2 %``."""
    return format_percent(share, decimals=1)


def format_count(count: float | None) -> str:
    """A count: exact below 10,000, then with k, M or G and three digits.

    >>> format_count(9_870), format_count(291_100_000), format_count(4_812_345)
    ('9,870', '291\\xa0M', '4.81\\xa0M')
    """
    if count is None:
        return NOT_KNOWN
    if count < 10_000:
        return f"{count:,.0f}"
    for limit, unit in ((1e6, "k"), (1e9, "M"), (math.inf, "G")):
        if count < 0.9995 * limit:
            value = count / {"k": 1e3, "M": 1e6, "G": 1e9}[unit]
            return f"{value:.{_decimals(value, digits=3)}f}{NO_BREAK}{unit}"
    raise AssertionError(count)


def format_bytes(size: float | None) -> str:
    """A file's size in decimal units.

    >>> format_bytes(231_456), format_bytes(17_200_000)
    ('231\\xa0kB', '17.2\\xa0MB')
    """
    if size is None:
        return NOT_KNOWN
    for factor, unit in ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB")):
        if size < 999.5 * factor or unit == "GB":
            value = size / factor
            decimals = 0 if unit == "B" else _decimals(value, digits=3)
            return f"{value:.{decimals}f}{NO_BREAK}{unit}"
    raise AssertionError(size)


def format_seconds(seconds: float | None) -> str:
    """A wall time: ``4.2 s``, ``3 min 05 s``, ``2 h 07 min``.

    >>> format_seconds(4.21), format_seconds(185)
    ('4.2\\xa0s', '3\\xa0min\\xa005\\xa0s')
    """
    if seconds is None:
        return NOT_KNOWN
    if seconds < 59.95:
        return f"{seconds:.1f}{NO_BREAK}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NO_BREAK}min{NO_BREAK}{rest:02d}{NO_BREAK}s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}{NO_BREAK}h{NO_BREAK}{minutes:02d}{NO_BREAK}min"


def format_number(value: float | None, *, digits: int = 3) -> str:
    """A bare number with so many significant digits; a power of ten only below 0.001 or from a million.

    >>> format_number(0.4567), format_number(3.1e-6, digits=2)
    ('0.457', '3.1\\xd710\\u207b\\u2076')
    """
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return _signed(f"{mantissa}\u00d710{str(int(exponent)).translate(_SUPERSCRIPTS)}")
    return _signed(f"{value:.{_decimals(abs(value), digits=digits)}f}")


def _decimals(value: float, *, digits: int) -> int:
    """Decimals that show ``digits`` significant digits of a non-negative value."""
    if value <= 0:
        return digits - 1
    rounded = float(f"{value:.{digits}g}")  # 0.9996 reads as 1.00, not as 1.000
    return max(0, digits - 1 - math.floor(math.log10(rounded) + 1e-9))


def _signed(text: str) -> str:
    """A true minus sign, and none before a rounded zero."""
    if text.startswith("-") and not text.strip("-0."):
        text = text[1:]
    return text.replace("-", MINUS, 1) if text.startswith("-") else text
