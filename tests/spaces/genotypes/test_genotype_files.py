"""Genotypes as JSON: what comes back, what is refused, and how states are counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from fbsearch.errors import ArchitectureError
from fbsearch.spaces import (
    Genotype,
    genotype_names,
    is_genotype,
    load_architecture,
    load_genotype,
    parse_genotype,
    save_genotype,
)
from fbsearch.spaces.genotypes.files import LAST_FIRST, PREVIOUS_FIRST, to_dict
from tests.spaces.genotypes.drawn import genotypes

GOOD = to_dict(load_genotype("darts_v2"))


@given(genotypes())
def test_a_genotype_comes_back_from_json(genotype: Genotype) -> None:
    data = json.loads(json.dumps(to_dict(genotype)))
    assert parse_genotype(data, source="test") == genotype


@pytest.mark.parametrize("name", genotype_names())
def test_published_genotypes_load_and_are_written_again(name: str, tmp_path: Path) -> None:
    genotype = load_genotype(name)
    path = tmp_path / "mine.json"
    save_genotype(genotype, path)
    assert genotype.name == name
    assert load_genotype(str(path)) == genotype
    assert is_genotype(str(path)) and is_genotype(name)
    assert load_architecture(str(path)) == load_architecture(name)


def test_the_index_convention_is_what_the_file_says() -> None:
    """NASNet's release counts the last cell as 0: a 5x5 takes that, and joined is the other."""
    normal = load_genotype("nasnet_a").normal
    assert normal.nodes[0] == (("sep_conv_5x5", 1), ("sep_conv_3x3", 0))
    assert normal.concat == (0, 2, 3, 4, 5, 6)
    exchanged = parse_genotype({**GOOD, "index": LAST_FIRST}, source="test")
    assert exchanged.normal.nodes[0] == (("sep_conv_3x3", 1), ("sep_conv_3x3", 0))
    assert exchanged.normal.nodes[3] == (("skip_connect", 1), ("dil_conv_3x3", 2))
    assert to_dict(exchanged)["index"] == PREVIOUS_FIRST


def test_enas_is_known_by_its_short_name_too() -> None:
    assert load_genotype("enas") == load_genotype("enas_micro")
    assert load_genotype("enas").reduction.concat == (2, 4, 5, 6)  # 3 is taken


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "fbsearch.architecture"}, "'format' must be"),
        ({"version": 2}, "version 2; this fbsearch reads version 1"),
        ({"version": True}, "version True"),
        ({"index": "0 is the first"}, "index '0 is the first': allowed are"),
        ({"index": None}, "index None"),
        ({"index": [1]}, "index"),
        ({"colour": "red"}, "colour"),
        ({"name": "../up"}, "name"),
        ({"conventions": "mine"}, "conventions"),
        ({"normal": {"nodes": [[["conv_2x2", 0]]], "concat": [2]}}, "is no operation of a cell"),
        (
            {"normal": {"nodes": [[["skip", 2]]], "concat": [2]}},
            "node 2 takes state 2, which is none before",
        ),
        ({"normal": {"nodes": [[["skip", True]]], "concat": [2]}}, "normal.nodes.0.0.1"),
        ({"normal": {"nodes": [[["skip", -1]]], "concat": [2]}}, "normal.nodes.0.0.1"),
        ({"normal": {"nodes": [[]], "concat": [2]}}, "normal.nodes.0"),
        ({"normal": {"nodes": [], "concat": [0]}}, "normal.nodes"),
        ({"normal": {"nodes": [[["skip", 0]]], "concat": [3]}}, "states are 0 to 2"),
        ({"normal": {"nodes": [[["skip", 0]]], "concat": [2, 2]}}, "holds a state twice"),
        ({"normal": {"nodes": [[["skip", 0]]], "concat": []}}, "normal.concat"),
        ({"reduction": None}, "reduction"),
        ({"stacks": {"a": {"cells": 2, "channels": 8}}}, "stacks.a.cells"),
        ({"stacks": {"a": {"cells": 8}}}, "stacks.a.channels"),
    ],
)
def test_what_is_no_genotype_is_refused_in_one_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        parse_genotype({**GOOD, **changes}, source="mine.json")
    assert words in str(caught.value) and "mine.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[", b"{}", b"null", b"\xff", b"[" * 5000, b'{"format": 1e999}'])
def test_hostile_files_are_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    assert not is_genotype(str(path))
    with pytest.raises(ArchitectureError, match=r"mine\.json") as caught:
        load_genotype(str(path))
    assert "\n" not in str(caught.value)


def test_an_unknown_name_names_those_there_are() -> None:
    with pytest.raises(ArchitectureError, match="amoebanet_a, darts_v1"):
        load_genotype("darts_v3")
