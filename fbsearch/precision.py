"""The precisions of model files: what each means is told in docs/precisions.md."""

from __future__ import annotations

from typing import Literal, get_args

Precision = Literal["fp32", "fp16", "dynamic_int8", "int8"]

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

INTEGER_PRECISIONS: tuple[Precision, ...] = ("int8", "dynamic_int8")
"""Those whose weights are whole numbers, which fine-tuning knows."""
