"""``fbsearch run`` by the folder of a run, and the tables that lie in one."""

from __future__ import annotations

import json

import pytest
import yaml

from fbsearch.cli import main
from fbsearch.pipeline import load_recipe
from fbsearch.spaces import load_space
from tests.data.image_folders import folder_files, write_folder
from tests.latency.sample_table import sample_table

DEFINITION = {
    "name": "tiny",
    "resolution": 8,
    "in_channels": 1,
    "num_classes": 10,
    "stages": [{"channels": 8, "layers": 2}],
    "candidates": ["k3_e1", "k5_e1"],
}


@pytest.fixture
def make_run(tmp_path):
    """Makes a run's folder as it is after profiling."""

    def make(*settings: str, **fields: int):
        recipe = load_recipe("quickstart", list(settings))
        folder = tmp_path / "run"
        folder.mkdir()
        (folder / "recipe.yaml").write_text(recipe.to_yaml())
        named = {name: value for name, value in recipe.space.model_dump().items() if value is not None}
        sample_table(load_space(named.pop("source"), **{**named, **fields})).save(folder / "table.json")
        return folder

    return make


def shown(capsys, *arguments: object) -> dict:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_table_of_a_run_on_three_classes_is_shown(make_run, capsys):
    folder = make_run("space.resolution=16", num_classes=3)
    assert len(shown(capsys, "table", "show", folder / "table.json")["slots"]) == 4


def test_so_is_one_of_three_classes_that_lies_in_no_run(tmp_path, capsys):
    sample_table(load_space("digits", num_classes=3)).save(tmp_path / "t.json")
    assert len(shown(capsys, "table", "show", tmp_path / "t.json")["slots"]) == 4


def test_so_is_one_of_a_space_from_a_file(make_run, tmp_path, capsys):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(DEFINITION))
    folder = make_run(f"space.source={tmp_path / 'tiny.yaml'}", num_classes=3)
    slots = shown(capsys, "table", "show", folder / "table.json")["slots"]
    assert [slot["names"] for slot in slots] == [["k3_e1", "k5_e1"]] * 2


def test_other_classes_than_the_tables_are_still_refused(make_run, failing):
    folder = make_run(num_classes=3)
    assert "lacks 1 of its operators" in failing("table", "show", folder / "table.json", "--num-classes", 4)


def test_a_damaged_recipe_beside_a_table_is_none(make_run, capsys):
    folder = make_run(num_classes=3)
    (folder / "recipe.yaml").write_text("name: [")
    assert len(shown(capsys, "table", "show", folder / "table.json")["slots"]) == 4


def test_a_run_is_named_by_its_folder_alone(make_run, capsys):
    folder = make_run("search.epochs=7", "confirm.num_networks=0")
    stages = shown(capsys, "run", folder, "--dry-run")
    [search] = [stage for stage in stages if stage["name"] == "search"]
    assert "7 epochs" in search["action"]
    assert search["writes"][0] == str(folder / "search/")


def test_a_folder_that_holds_no_run_needs_an_out(failing, tmp_path):
    for source in ("quickstart", tmp_path):
        assert "add --out FOLDER" in failing("run", source, "--resume")


def test_a_sweep_is_not_gone_on_with_as_a_run(make_run, failing):
    folder = make_run()
    for name in ("budget-30percent", "budget-50.5percent", "budget-notes"):
        (folder / name).mkdir()
        (folder / name / "recipe.yaml").write_text("")
    assert "give its budgets again: --budgets 30%,50.5%" in failing("run", folder, "--resume")


def test_a_run_leaves_out_corrupt_images_as_its_error_says(tmp_path, failing, capsys):
    files = folder_files({"": {"ant": 10, "bee": 10}})
    name = next(iter(files))
    write_folder(tmp_path / "set", files)
    (tmp_path / "set" / name).write_bytes(b"no image")
    command = ["run", "quickstart", "--out", tmp_path / "run", "--set", f"data.source={tmp_path / 'set'}"]
    command += ["--set", "space.in_channels=3", "--dry-run"]
    assert "leave them out with --skip-corrupt" in failing(*command)
    assert main([*map(str, command), "--skip-corrupt"]) == 0
