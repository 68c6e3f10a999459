"""What is said to the process of a model, and what it answers: JSON with the bytes of an array behind it.

Nothing is unpickled: a hostile model may speak through its process before that crashes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

_LENGTH = struct.Struct(">I")
_KINDS = "fiub"
"""Of NumPy's types: numbers and truth values."""


def pack(fields: Mapping[str, Any], values: np.ndarray | None = None) -> bytes:
    """A message."""
    array = {} if values is None else {"dtype": values.dtype.str, "shape": list(values.shape)}
    text = json.dumps({**fields, **array}).encode()
    return _LENGTH.pack(len(text)) + text + (b"" if values is None else values.tobytes())


def unpack(message: bytes) -> tuple[dict[str, Any], np.ndarray]:
    """Fields and array of a message; an empty one where it has none.

    Raises:
        ValueError: if it is none.
    """
    try:
        [length] = _LENGTH.unpack_from(message)
        end = _LENGTH.size + length
        fields = json.loads(message[_LENGTH.size : end])
        if not isinstance(fields, dict):
            raise ValueError("no fields")
        if "dtype" not in fields:
            return fields, np.empty(0)
        dtype = np.dtype(fields["dtype"])
        if dtype.kind not in _KINDS:
            raise ValueError(f"values of type {dtype}")
        return fields, np.frombuffer(message[end:], dtype).reshape(fields["shape"])
    except (struct.error, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no message: {error}") from None
