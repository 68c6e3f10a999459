"""Tensors of a safetensors file that others may have made."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from fbsearch.errors import UnreadableFileError
from fbsearch.files import check_regular


def read_tensors(path: Path, *, most_bytes: int) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The texts and the tensors by name, on the CPU.

    Args:
        path: of the file.
        most_bytes: beyond which it is none of its kind.

    Raises:
        MissingFileError: if there is no such file.
        UnreadableFileError: if it is no regular file, larger, damaged, or no safetensors file at all.
    """
    check_regular(path, most_bytes=most_bytes)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            return file.metadata() or {}, tensors
    except Exception as error:  # safetensors' own errors share no base; a type that torch lacks raises others
        raise UnreadableFileError(" ".join(str(error).split())[:300]) from None
