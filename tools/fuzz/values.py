"""Changes of a tree of values, such as JSON's and YAML's, and tokens that no writer of ours would write."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import yaml

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e-300, 1e300, 2**31, 2**63, -(2**63), 10**30, 10**79,
    "", "x", "nan", "inf", "0", "-1", "\x1b[2J", "\x00", "../../..", "/dev/zero", "x" * 3000, "skip", "local",
    [], {}, [None], [[]], [0] * 300, {"": None}, {"a": {"b": []}}, ["a", 1, None, {}],
)  # fmt: skip
JSON_TOKENS = (
    "NaN", "Infinity", "1e999", "-1e999", "9" * 81, "9" * 400, "9" * 5000, '"\\ud800"', '"\\udfff\\ud800"',
    '{"a": 1, "a": 2}', "[" * 90 + "]" * 90, "[" * 2000 + "]" * 2000, "[" * 100_000, "tru", "'a'", "",
)  # fmt: skip
_LAUGHS = "[&a [l,l,l,l,l,l,l,l,l]" + "".join(
    f", &{after} [{','.join([f'*{before}'] * 9)}]"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
YAML_TOKENS = (
    "!!bool foo", "!!int ''", "!!float x", "!!timestamp x", "!!binary '%'", "!!null x", "!!set {a, b}",
    "!!str [a]",
    "!!omap [a: 1]", "!!pairs [a: 1]", "!!python/object/apply:os.getcwd []", '"\\UFFFFFFFF"', '"\\ud800"',
    ".inf", "-.inf", ".nan", "1.0e+999", "2020-13-01", "2020-01-01", "0x" + "f" * 3000, "9" * 400, "9" * 5000,
    "1" + ":59" * 3000, "&r [*r]", "&r {a: *r}", "*nobody", "{[1]: 2}", "{{a: 1}: 2}", "{1: 2, a: 3}",
    "{a: 1, a: 2}",
    "{<<: [1]}", "{<<: {a: 1}}", _LAUGHS + "]", "[" * 90 + "]" * 90, "[" * 20_000, "!", "|", "@",
    "? a", "yes", "~",
)  # fmt: skip
_MARK = "@@{}@@"


def changed(data: Any, rng: random.Random, tokens: tuple[str, ...]) -> tuple[Any, dict[str, str]]:
    """A copy of ``data`` with one to three changes, and what the marks in it stand for."""
    holder, marks = [copy.deepcopy(data)], dict[str, str]()
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _change(holder, rng, tokens, marks)
    return holder[0], marks


def json_text(data: Any, marks: dict[str, str], *, indent: int | None = 1) -> str:
    """``data`` as JSON, with the tokens in place of their marks."""
    text = json.dumps(data, indent=indent)
    for mark, token in marks.items():
        text = text.replace(json.dumps(mark), token)
    return text


def yaml_text(data: Any, marks: dict[str, str]) -> str:
    """``data`` as YAML, with the tokens in place of their marks."""
    text = yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=10_000)
    for mark, token in marks.items():
        text = text.replace(f"'{mark}'", token).replace(mark, token)
    return text


def _change(holder: list[Any], rng: random.Random, tokens: tuple[str, ...], marks: dict[str, str]) -> None:
    parent, key = _place(holder, rng)
    kind = rng.randrange(8)
    if kind == 0:
        marks[mark := _MARK.format(len(marks))] = rng.choice(tokens)
        parent[key] = mark
    elif kind == 1 and parent is not holder:
        del parent[key]
    elif kind == 2 and isinstance(parent, dict):
        parent[rng.choice(["", "x", "\x1b[2J", f"{key}x", *map(str, parent)])] = parent.pop(key)
    elif kind == 3:
        other, place = _place(holder, rng)
        parent[key] = copy.deepcopy(other[place])
    elif kind == 4:
        parent[key] = rng.choice(([parent[key]], {"a": parent[key]}, [parent[key]] * 3))
    elif kind == 5:
        parent[key] = _nearby(parent[key], rng)
    else:
        parent[key] = copy.deepcopy(rng.choice(VALUES))


def _place(holder: list[Any], rng: random.Random) -> tuple[Any, Any]:
    """A random place: what holds it, and where."""
    parent: Any = holder
    key: Any = 0
    while isinstance(parent[key], (dict, list)) and parent[key] and rng.random() < 0.85:
        parent = parent[key]
        key = rng.choice(list(parent)) if isinstance(parent, dict) else rng.randrange(len(parent))
    return parent, key


def _nearby(value: Any, rng: random.Random) -> Any:
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, (int, float)):
        return rng.choice(
            (-value, value + 1, value * 1000, value / 1000, value * 1e300, str(value), int(value))
        )
    if isinstance(value, str):
        place = rng.randrange(len(value) + 1)
        return (
            value[:place]
            + rng.choice(("", "9", "_", "/", "\x1b", "é", "999999999"))
            + value[place + rng.randrange(2) :]
        )
    if isinstance(value, list):
        return rng.choice((value[: len(value) // 2], value * 2, value[::-1], value[:1]))
    return dict(list(value.items())[: len(value) // 2]) if isinstance(value, dict) else None
