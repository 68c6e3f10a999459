"""``describe``: an architecture's figures, however it is named; those of spaces that cannot be listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fbsearch.architecture import Architecture
from fbsearch.cli import main
from fbsearch.spaces import load_space
from tests.spaces.plain.zennets import ZENNETS

PLACE = ("--resolution", 32, "--num-classes", 10)


def test_a_structure_string_is_counted(command) -> None:
    zennet = ZENNETS["cifar_05M"]
    record = json.loads(command("describe", zennet.structure, *PLACE, "--json")[0])
    assert record["num_params"] == pytest.approx(zennet.num_params, rel=0.001)
    assert record["num_macs"] == pytest.approx(zennet.num_macs, rel=0.005)
    assert record["structure"] == zennet.structure
    operators = record["operators"]
    assert operators[1]["key"] == "zenbottle_k5_h16_s1_c64-168_r32"
    assert sum(one["num_params"] for one in operators) == record["num_params"]


def test_it_becomes_a_file_that_says_the_same(command, tmp_path: Path) -> None:
    path, gated = tmp_path / "net.json", tmp_path / "gated.json"
    structure = ZENNETS["cifar_05M"].structure
    written = json.loads(command("describe", structure, *PLACE, "--out", path, "--json")[0])
    assert json.loads(command("describe", path, "--json")[0]) == written
    assert json.loads(command("describe", path, *PLACE, "--json")[0]) == written
    more = json.loads(command("describe", structure, *PLACE, "--squeeze-excite", "--out", gated, "--json")[0])
    assert more["structure"] == structure and more["num_params"] > written["num_params"]
    assert more["name"] != written["name"]
    assert load_space("zen_cifar").encode(Architecture.load(path))
    assert main(["describe", str(path), "--resolution", "64"]) == 2


def test_an_open_space_shows_random_architectures(command) -> None:
    record = json.loads(command("describe", "zen_cifar", "--num-classes", 7, "--json")[0])
    assert record["num_architectures"] is None and record["num_classes"] == 7
    least, greatest = record["sampled_ranges"]["num_params"]
    assert 10_000 < least < greatest and record["num_sampled"] == 16
    assert "an open space" in command("describe", "zen_cifar")[0]


def test_names_take_another_size(command) -> None:
    record = json.loads(command("describe", "fbnet_a", *PLACE, "--json")[0])
    assert (record["resolution"], record["num_classes"]) == (32, 10)
    assert "structure" not in record
