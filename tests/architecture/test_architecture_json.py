"""The architecture as a chain and as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fbsearch.architecture import Architecture, Operator
from fbsearch.errors import ArchitectureError

STEM = Operator("conv", 3, 8, 32, kernel=3, stride=2, activation="relu")
LAYER = Operator("mbconv", 8, 16, 16, kernel=3, stride=2, expansion=3, activation="relu")
HEAD = Operator("classifier", 16, 10, 8)


@pytest.fixture
def architecture() -> Architecture:
    return Architecture("small", (STEM,), (LAYER,), (HEAD,))


def test_sizes_come_from_both_ends(architecture: Architecture) -> None:
    assert (architecture.in_channels, architecture.resolution, architecture.num_classes) == (3, 32, 10)
    assert list(architecture.operators()) == [STEM, LAYER, HEAD]


def test_json_both_ways(architecture: Architecture, tmp_path: Path) -> None:
    assert Architecture.from_dict(architecture.to_dict()) == architecture
    architecture.save(tmp_path / "a.json")
    assert Architecture.load(tmp_path / "a.json") == architecture
    assert LAYER.key in (tmp_path / "a.json").read_text()


@pytest.mark.parametrize(
    ("stem", "layers", "head", "words"),
    [
        ((), (), (), "last operator must be a classifier"),
        ((STEM,), (LAYER,), (), "last operator must be a classifier"),
        ((STEM,), (), (HEAD,), "8 channels at 16 px, which is no input for"),
        ((STEM,), (HEAD,), (HEAD,), "no input for"),
        ((STEM,), (LAYER,), (HEAD, HEAD), "no input for"),
        ((LAYER,), (STEM,), (HEAD,), "no input for"),
    ],
)
def test_a_chain_that_does_not_fit_is_refused(stem: Any, layers: Any, head: Any, words: str) -> None:
    with pytest.raises(ArchitectureError, match=words):
        Architecture("broken", stem, layers, head)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "other"}, "'format' must be"),
        ({"version": 2}, "reads version 1"),
        ({"version": None}, "reads version 1"),
        ({"name": 7}, "'name' must be a text"),
        ({"layers": None}, "'layers' must be a list"),
        ({"layers": LAYER.key}, "'layers' must be a list"),
        ({"layers": [3]}, "3 is no operator key"),
        ({"layers": ["mbconv"]}, "no operator key"),
        ({"layers": []}, "no input for"),
    ],
)
def test_a_wrong_field_is_named(architecture: Architecture, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ArchitectureError, match=words):
        Architecture.from_dict({**architecture.to_dict(), **changes})


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 3000, b"9" * 5000, b'{"format": "x"}']
)
def test_a_file_that_is_none_is_one_line_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ArchitectureError, match=r"a\.json") as caught:
        Architecture.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchitectureError, match="absent"):
        Architecture.load(tmp_path / "absent.json")
    with pytest.raises(ArchitectureError, match="cannot read"):
        Architecture.load(tmp_path)
