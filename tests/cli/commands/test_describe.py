"""``describe``: an architecture's figures, however it is named; those of spaces that cannot be listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fbsearch.architecture import Architecture
from fbsearch.cli import main
from fbsearch.spaces import load_genotype, load_space, save_genotype
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


def test_a_genotype_is_stacked_as_told(command) -> None:
    told = ("--cells", 18, "--channels", 32, *PLACE)
    record = json.loads(command("describe", "nasnet_a", *told, "--json")[0])
    assert record["num_params"] == 3_328_234
    assert (record["stem"], record["auxiliary_place"]) == ("cifar", "cells/12/output")
    assert json.loads(command("describe", "nasnet_a", "--stack", "6 @ 768", "--json")[0]) == record
    assert sum(one["num_params"] for one in record["operators"]) == record["num_params"]


def test_a_genotype_becomes_a_file_and_a_drawing(command, tmp_path: Path) -> None:
    written, drawn = tmp_path / "net.json", tmp_path / "cells.svg"
    small = ("snas_aggressive", "--cells", 5, "--channels", 8, "--resolution", 16)
    dead = json.loads(command("describe", *small, "--json")[0])
    live = json.loads(
        command("describe", *small, "--remove-dead", "--out", written, "--draw", drawn, "--json")[0]
    )
    assert live["num_params"] < dead["num_params"]
    assert json.loads(command("describe", written, "--json")[0])["num_params"] == live["num_params"]
    assert "Reduction cell (cells 2, 4)" in drawn.read_text("utf-8")
    assert "total" in command("describe", *small)[0]


def test_a_genotype_of_ones_own_is_a_file(command, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    save_genotype(load_genotype("darts_v2"), path)
    told = ("--cells", 8, "--channels", 8, "--json")
    mine, published = (json.loads(command("describe", one, *told)[0]) for one in (path, "darts_v2"))
    assert mine == published


@pytest.mark.parametrize(
    ("name", "num_cells"), [("darts", 241_591_910_400), ("enas", 5_062_500_000_000), ("cifar", None)]
)
def test_a_space_of_cells_tells_how_many_there_are(name: str, num_cells: int | None, command) -> None:
    record = json.loads(command("describe", name, "--json")[0])
    assert record.get("num_cells") == num_cells
    assert record["num_architectures"] == (num_cells**2 if num_cells else load_space(name).size)
    if name == "darts":
        assert f"{num_cells:,} cells" in " ".join(command("describe", name)[0].split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("darts", "--cells", 8), "'darts' is no genotype, of which --cells"),
        (("fbnet_a", "--stack", "6 @ 768", "--remove-dead"), "of which --stack, --remove-dead"),
        (("darts", "--draw", "cells.svg"), "'darts' is a space"),
        (("fbnet_a", "--draw", "cells.svg"), "has no cells that could be drawn"),
        (("nasnet_a", "--stack", "6 @ 769"), "multiple of 24 channels, not 769"),
        (("nasnet_a", "--squeeze-excite"), "--squeeze-excite is for structure strings"),
        (("nasnet_a", "--cells", 2), "--cells"),
        (("nasnet_a", "--stem", "wide"), "--stem"),
        (("nasnet_a", "--draw", ""), "--draw"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    arguments: tuple[object, ...], words: str, capsys, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["describe", *map(str, arguments)]) == 2
    error = capsys.readouterr().err.strip()
    assert words in error and "\n" not in error
    assert list(tmp_path.iterdir()) == []
