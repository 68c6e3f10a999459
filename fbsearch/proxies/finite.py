"""A score that is no number is an error that says what happened."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fbsearch.errors import ProxyError


def finite(value: float | Tensor, what: str) -> float:
    """``value`` as a number.

    Args:
        value: a scalar.
        what: what it is, for the message.

    Raises:
        ProxyError: if it is infinite or NaN.
    """
    number = float(value)
    if not math.isfinite(number):
        raise ProxyError(f"{what} overflows ({number}) in {torch.float32}: the network is too deep for it")
    return number


def logarithm(value: float | Tensor, what: str) -> float:
    """ln of ``value``.

    Raises:
        ProxyError: if it is infinite or NaN, or is not positive, as where the network is constant.
    """
    number = finite(value, what)
    if number <= 0:
        raise ProxyError(f"{what} is {number:g}: its output does not depend on the image")
    return math.log(number)
