"""The architecture as a graph and as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fbsearch.architecture import Architecture, Node
from fbsearch.architecture.operators import Add, Classifier, Conv, MBConv, Skip
from fbsearch.errors import ArchitectureError

STEM = Conv(3, 8, 32, kernel=3, stride=2, activation="relu")
LAYER = MBConv(8, 16, 16, kernel=3, stride=2, expansion=3, activation="relu")
HEAD = Classifier(16, 10, 8)


@pytest.fixture
def architecture() -> Architecture:
    return Architecture.chain("small", {"stem": [STEM], "layers": [LAYER], "head": [HEAD]})


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
        Architecture.chain("broken", {"stem": stem, "layers": layers, "head": head})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "other"}, "'format' must be"),
        ({"version": 3}, "reads versions 1 and 2"),
        ({"version": None}, "reads versions 1 and 2"),
        ({"version": True}, "reads versions 1 and 2"),
        ({"name": 7}, "'name' must be a text"),
        ({"nodes": None}, "'nodes' must be a list"),
        ({"nodes": [3]}, r"nodes\[0\] must have"),
        ({"nodes": [{"name": "a", "operator": STEM.key}]}, r"nodes\[0\] must have"),
        ({"nodes": [{"name": 1, "operator": STEM.key, "inputs": []}]}, r"nodes\[0\]: 'name'"),
        ({"nodes": [{"name": "a", "operator": STEM.key, "inputs": "input"}]}, r"nodes\[0\]: 'inputs'"),
        ({"nodes": [{"name": "a", "operator": "mbconv", "inputs": ["input"]}]}, "no operator key"),
        ({"nodes": [{"name": "A", "operator": STEM.key, "inputs": ["input"]}]}, "a name is lower-case"),
        ({"nodes": [{"name": "a", "operator": STEM.key, "inputs": []}]}, "takes 0 inputs"),
        ({"nodes": []}, "last operator must be a classifier"),
    ],
)
def test_a_wrong_field_is_named(architecture: Architecture, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ArchitectureError, match=words):
        Architecture.from_dict({**architecture.to_dict(), **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": None}, "'layers' must be a list"),
        ({"layers": LAYER.key}, "'layers' must be a list"),
        ({"layers": [3]}, "3 is no operator key"),
        ({"layers": ["mbconv"]}, "no operator key"),
        ({"layers": []}, "no input for"),
    ],
)
def test_a_wrong_field_of_version_1_is_named(changes: dict[str, Any], words: str) -> None:
    chain = {"stem": [STEM.key], "layers": [LAYER.key], "head": [HEAD.key]}
    data = {"format": "fbsearch.architecture", "version": 1, "name": "old", **chain}
    assert [node.name for node in Architecture.from_dict(data).nodes] == ["stem/0", "layers/0", "head/0"]
    with pytest.raises(ArchitectureError, match=words):
        Architecture.from_dict({**data, **changes})


def diamond(*middle: Node) -> Architecture:
    return Architecture(
        "diamond",
        (
            Node("stem/0", STEM, ("input",)),
            *middle,
            Node("join", Add(8, 8, 16), ("stem/0", "left")),
            Node("head/0", Classifier(8, 10, 16), ("join",)),
        ),
    )


def test_branches_meet_again() -> None:
    architecture = diamond(Node("left", Skip(8, 8, 16), ("stem/0",)))
    assert Architecture.from_dict(architecture.to_dict()) == architecture
    assert architecture.live_nodes == architecture.nodes
    unused = Node("unused", Skip(8, 8, 16), ("stem/0",))
    with_unused = diamond(unused, Node("left", Skip(8, 8, 16), ("stem/0",)))
    assert with_unused.live_nodes == architecture.nodes


@pytest.mark.parametrize(
    ("middle", "words"),
    [
        ((), "takes 'left', which is no node before it"),
        ((Node("left", Skip(8, 16, 16), ("stem/0",)),), "16 channels at 16 px, which is no input for add"),
        ((Node("left", Skip(8, 8, 16), ("left",)),), "which is no node before it"),
        ((Node("stem/0", Skip(8, 8, 16), ("stem/0",)),), "stands twice"),
        ((Node("left", Conv(4, 8, 32, stride=2), ("input",)),), "the image gives 3 channels"),
    ],
)
def test_a_graph_that_does_not_fit_is_refused(middle: tuple[Node, ...], words: str) -> None:
    with pytest.raises(ArchitectureError, match=words):
        diamond(*middle)


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
