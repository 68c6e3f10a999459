"""The sentinel: the operator whose model tells how fast a machine is at the moment."""

from __future__ import annotations

from fbsearch.architecture import Operator

SENTINEL = Operator.from_key("mbconv_k3_e6_s1_relu_c32-32_r28")
"""Typical work, about 0.1 to 0.2 ms on a server core."""
