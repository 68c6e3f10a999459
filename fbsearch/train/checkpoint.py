"""State that survives a kill: nested Python values and tensors in one safetensors file.

Nothing is pickled, so that reading a checkpoint never runs code. The tensors are the file's tensors; the
structure around them is JSON in the file's metadata, together with a checksum.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fbsearch.errors import CheckpointError, UnreadableFileError
from fbsearch.files import JSON_BYTES, parse_json
from fbsearch.nn.tensor_file import read_tensors, save_tensors

FORMAT = "fbsearch.state"
VERSION = "1"

MOST_BYTES = 16 * 2**30
"""Of a checkpoint: weights and what an optimiser keeps of each, several times what fits on a phone."""


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write ``state`` to ``path``, atomically.

    Args:
        path: the file to write.
        state: nested dicts (text or integer keys), lists and tuples of tensors, texts, booleans, None,
            integers of any size and floats, NaN and infinities included.

    Raises:
        TypeError: if ``state`` holds anything else.
    """
    tensors: dict[str, Tensor] = {}
    structure = json.dumps(_encode(dict(state), tensors), allow_nan=False)
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "structure": structure,
        "sha256": _checksum(structure, tensors),
    }
    save_tensors(tensors, path, metadata=metadata)


def load_state(path: Path) -> dict[str, Any]:
    """The state that :func:`save_state` wrote to ``path``; tensors on the CPU, in their memory format.

    Raises:
        CheckpointError: if the file is missing, damaged or no state.
    """
    try:
        metadata, tensors = read_tensors(path, most_bytes=MOST_BYTES)
    except UnreadableFileError as error:
        raise CheckpointError(f"{path}: cannot read a checkpoint: {error}; delete it to start over") from None
    if metadata.get("format") != FORMAT or metadata.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: no checkpoint that this fbsearch reads (version {VERSION}): use another folder"
        )
    if metadata.get("sha256") != _checksum(metadata.get("structure", ""), tensors):
        raise CheckpointError(f"{path}: damaged: its checksum does not match; delete it to start over")
    try:
        state = _decode(_structure(metadata), tensors)
    except (UnreadableFileError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: damaged structure ({error!r}); delete it to start over") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: damaged: it holds no mapping; delete it to start over")
    return state


def identity_of(path: Path) -> Any:
    """What a checkpoint in ``path`` says of whose it is, JSON-like.

    Raises:
        CheckpointError: as :func:`load_state`, or if it says nothing of the kind.
    """
    return plain_identity(load_state(path), path)


def plain_identity(state: Mapping[str, Any], path: Path) -> Any:
    """The identity in a state, as JSON has it.

    Raises:
        CheckpointError: if there is none, or it holds tensors.
    """
    try:
        return json.loads(json.dumps(state["identity"]))
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(
            f"{path}: no checkpoint of a training or search: delete it to start over"
        ) from None


def _structure(metadata: Mapping[str, str]) -> Any:
    text = metadata["structure"]
    if len(text) > JSON_BYTES:
        raise UnreadableFileError(f"{len(text):,} characters, more than {JSON_BYTES:,}")
    return parse_json(text)


def _checksum(structure: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(structure.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _encode(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The JSON form of ``value``; containers become one-entry dicts that name their kind."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, Tensor):
        name = f"{len(tensors):06d}"
        tensors[name] = value.detach().cpu().contiguous().clone()
        # An optimiser's buffers must come back in the layout of their weights, or its arithmetic may round
        # otherwise than in a run that was never interrupted.
        return {"tensor": name, "channels_last": True} if _is_channels_last(value) else {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[_encode_key(key), _encode(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encode(item, tensors) for item in value]}
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def _encode_key(key: Any) -> str | int:
    if isinstance(key, bool) or not isinstance(key, (str, int)):
        raise TypeError(f"a checkpoint's keys are texts or integers, not {type(key).__name__}")
    return key


def _decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        tensor = tensors[value["tensor"]]
        return tensor.to(memory_format=torch.channels_last) if value.get("channels_last") else tensor
    [(kind, content)] = value.items()
    if kind == "float":
        return float(content)
    if kind == "dict":
        return {key: _decode(item, tensors) for key, item in content}
    items = [_decode(item, tensors) for item in content]
    if kind not in ("list", "tuple"):
        raise ValueError(f"unknown kind {kind!r}")
    return items if kind == "list" else tuple(items)


def _is_channels_last(tensor: Tensor) -> bool:
    if tensor.dim() != 4 or tensor.is_contiguous():
        return False
    return tensor.is_contiguous(memory_format=torch.channels_last)
