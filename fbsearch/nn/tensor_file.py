"""Tensors on disk, in the format of safetensors, which reads them; others may have made the file.

The library's own writer makes a file under a name of its own choice, which a killed process leaves behind,
and tells of a full disk by an error that is no :class:`OSError`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from fbsearch.errors import UnreadableFileError
from fbsearch.files import atomic_path, check_regular

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def save_tensors(
    tensors: Mapping[str, Tensor], path: Path, *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors to ``path``, atomically.

    Args:
        tensors: contiguous, on the CPU.
        path: the file.
        metadata: texts that are kept with them.

    Raises:
        KeyError: if a tensor is of a type that the format does not know.
        OSError: if the file cannot be written, as when the disk is full.
    """
    # The widest first, so that each begins at a multiple of its own width.
    ordered = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(_header(ordered, tensors, metadata))
        for name in ordered:
            file.write(tensors[name].reshape(-1).view(torch.uint8).numpy().data)


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


def _header(ordered: list[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None) -> bytes:
    """Its length in eight bytes, then JSON, filled up with spaces to a multiple of eight."""
    entries: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    end = 0
    for name in ordered:
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.element_size()
        entries[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
