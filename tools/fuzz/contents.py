"""Changes of a file: of its bytes, of the values within, or of what stands in its place."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml

from fbsearch.train import load_state, save_state
from tools.fuzz.values import JSON_TOKENS, YAML_TOKENS, changed, json_text, yaml_text

Change = Callable[[bytes, random.Random], bytes]

HUGE_BYTES = 8 * 2**30


def json_file(content: bytes, rng: random.Random) -> bytes:
    data, marks = changed(json.loads(content), rng, JSON_TOKENS)
    return json_text(data, marks).encode()


def yaml_file(content: bytes, rng: random.Random) -> bytes:
    data, marks = changed(yaml.safe_load(content), rng, YAML_TOKENS)
    return yaml_text(data, marks).encode()


def json_lines(content: bytes, rng: random.Random) -> bytes:
    """A row changed, lost, repeated or moved."""
    rows = content.splitlines()
    place = rng.randrange(len(rows))
    kind = rng.randrange(6)
    if kind == 0:
        del rows[place]
    elif kind == 1:
        rows.insert(rng.randrange(len(rows)), rows[place])
    else:
        data, marks = changed(json.loads(rows[place]), rng, JSON_TOKENS)
        rows[place] = json_text(data, marks, indent=None).encode()
    return b"\n".join(rows) + rng.choice((b"\n", b"\n", b""))


def tensors(content: bytes, rng: random.Random) -> bytes:
    """Another header, as long as it says."""
    (length,) = struct.unpack("<Q", content[:8])
    data, marks = changed(json.loads(content[8 : 8 + length]), rng, JSON_TOKENS)
    header = json_text(data, marks, indent=None).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", rng.choice((len(header),) * 9 + (2**63,))) + header + content[8 + length :]


def sealed_state(content: bytes, rng: random.Random, *, scratch: Path) -> bytes:
    """Another state, sealed as ours are."""
    scratch.write_bytes(content)
    state, _ = changed(load_state(scratch), rng, ("0",))
    if isinstance(state, dict) and rng.random() < 0.2:
        state["task"] = rng.choice((5, torch.zeros(2), [], {"a": torch.zeros(0)}))
    try:
        save_state(scratch, state)
    except Exception:  # what cannot be sealed at all is no case
        return content[:-1]
    return scratch.read_bytes()


def any_bytes(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped; bytes put in, taken out, repeated; an end cut off."""
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.choice((1, 2, 8, 100)))
    kind = rng.randrange(5)
    if kind == 0 and start < len(content):
        return content[:start] + bytes([content[start] ^ 1 << rng.randrange(8)]) + content[start + 1 :]
    if kind == 1:
        return content[:start] + rng.randbytes(rng.choice((1, 4, 30))) + content[start:]
    if kind == 2:
        return content[:start] + content[end:]
    if kind == 3:
        return content[:end] + content[start:end] * rng.choice((1, 50)) + content[end:]
    return content[:start]


def put_other(path: Path, rng: random.Random) -> None:
    """Something that is no regular file, or too large a one, in place of a file."""
    path.unlink(missing_ok=True)
    kind: Callable[[Path], Any] = rng.choice((os.mkfifo, Path.mkdir, _zeros, _circle, _holes, _nothing))
    kind(path)


def _zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _circle(path: Path) -> None:
    path.symlink_to(path.name)


def _holes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(HUGE_BYTES)


def _nothing(path: Path) -> None:
    path.touch()
