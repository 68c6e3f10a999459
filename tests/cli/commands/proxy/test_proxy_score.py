"""``proxy score``: architectures and modules of others, in JSON and for people."""

import json
import re
from pathlib import Path

import pytest

from fbsearch.cli import main
from tests.proxies.networks import TINY_CHAIN, chain, tiny_cell

MODULE = """
from torch import nn

def small():
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)]
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)

def three():
    return 3
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.json"
    chain(TINY_CHAIN).save(path)
    return path


def fails(capsys, *arguments) -> str:
    assert main(["proxy", "score", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


def test_scores_as_json_repeat_with_the_seed(command, tiny):
    arguments = ("proxy", "score", tiny, "--proxy", "zen,naswot,params", "--repeats", 2, "--seed", 3)
    first = json.loads(command(*arguments, "--batch-size", 4, "--json")[0])
    assert list(first) == ["zen", "naswot", "params"]
    assert set(first["zen"]) >= {"score", "std"} and first["zen"]["std"] > 0
    assert json.loads(command(*arguments, "--batch-size", 4, "--json")[0]) == first


def test_a_structure_string_is_scored(command):
    structure = "SuperConvK3BNRELU(3,8,1,1)SuperResK1K5K1(8,16,1,8,1)SuperConvK1BNRELU(16,32,1,1)"
    place = ("--resolution", 8, "--num-classes", 10, "--repeats", 1)
    out = command("proxy", "score", structure, *place, "--proxy", "params", "--json")[0]
    assert json.loads(out)["params"]["score"] == 5090


def test_where_branches_meet_the_authors_warning_stands(command, tmp_path):
    path = tmp_path / "cell.json"
    tiny_cell().save(path)
    _, told = command("proxy", "score", path, "--repeats", 1, "--batch-size", 2)
    assert "its authors warn" in told


def test_a_module_of_the_users_own(command, tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    arguments = ("proxy", "score", "own_networks:small", "--resolution", 6, "--repeats", 1)
    out, told = command(*arguments, "--proxy", "phi,depth")
    assert re.search(r"depth\W+2\b", out)
    assert "4 x 4 x 4, given by relu" in told and "residual links, if it has any, stayed" in told


def test_what_cannot_be_scored_is_told(capsys, tiny, tmp_path, monkeypatch):
    (tmp_path / "other_networks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    assert "'zenn' is no proxy" in fails(capsys, tiny, "--proxy", "zenn")
    assert "give a table with --table" in fails(capsys, tiny, "--proxy", "latency")
    assert "its resolution is 8, not 16" in fails(capsys, tiny, "--resolution", 16)
    assert "gives a int" in fails(capsys, "other_networks:three")
    assert "no function 'four'" in fails(capsys, "other_networks:four")


def test_a_score_that_overflows_stands_beside_the_others(command, capsys, tmp_path):
    path = tmp_path / "deep.json"
    layer = "conv_k3_s1_relu_c16-16_r4"
    chain(["conv_k3_s1_relu_c3-16_r4", *[layer] * 60, "classifier_c16-5_r4"]).save(path)
    arguments = ("--repeats", 1, "--batch-size", 2, "--json")
    out, told = command("proxy", "score", path, "--proxy", "phi,zen", *arguments)
    record = json.loads(out)
    assert record["phi"]["score"] is None and "overflows" in record["phi"]["error"]
    assert record["zen"]["score"] > 60
    assert "phi of tiny: Δ overflows" in told
    assert "phi of tiny: Δ overflows" in fails(capsys, path, "--proxy", "phi", *arguments)
