"""Recipes: presets load, overrides apply, wrong fields are named, budgets resolve."""

from __future__ import annotations

import re

import pytest
import yaml

from fbsearch.errors import InvalidInputError, RecipeError
from fbsearch.pipeline import load_recipe, recipe_names
from fbsearch.pipeline.recipe import apply_overrides, latency_budget_us, parse_recipe
from fbsearch.search import find_method


@pytest.mark.parametrize("name", recipe_names())
def test_presets_load_and_survive_their_own_yaml(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert parse_recipe(yaml.safe_load(recipe.to_yaml()), source="test") == recipe


def test_the_imagenet_recipe_is_the_published_schedule():
    search = load_recipe("imagenet-fbnet").search
    assert (search.epochs, search.warmup_epochs, search.batch_size) == (90, 10, 192)
    assert (search.objective, search.alpha, search.beta) == ("fbnet", 0.2, 0.6)
    assert (search.learning_rate, search.momentum, search.weight_decay) == (0.1, 0.9, 1e-4)
    assert (search.architecture_learning_rate, search.architecture_weight_decay) == (0.01, 5e-4)
    assert search.temperature.at(1, search.epochs) / search.temperature.at(0, search.epochs) == pytest.approx(
        0.95599748, rel=1e-6
    )  # exp(-0.045)


def test_overrides_nest_and_leave_their_source_alone():
    data = {"a": {"b": 1}, "c": 2, "g": [{"h": 1}, 2]}
    assert apply_overrides(data, ["a.b=[1, 2]", "a.d=x", "e.f=true", "g.0.h=3", "g.1=4"]) == {
        "a": {"b": [1, 2], "d": "x"},
        "c": 2,
        "e": {"f": True},
        "g": [{"h": 3}, 4],
    }
    assert data == {"a": {"b": 1}, "c": 2, "g": [{"h": 1}, 2]}


@pytest.mark.parametrize("override", ["a", "=1", "a..b=1", "a=[", "c.d=1", "e.1.f=1", "e.x=1", "e.-1=1"])
def test_malformed_overrides_are_refused(override):
    with pytest.raises(RecipeError, match="--set"):
        apply_overrides({"c": 2, "e": [{"f": 3}]}, [override])


def test_a_budget_is_milliseconds_or_a_share_of_the_range():
    for given, budget_us in (("2.5", 2500.0), ("25%", 150.0)):
        budget_ms = load_recipe("quickstart", [f"budget_ms={given}"]).budget_ms
        assert latency_budget_us(budget_ms, lambda: (100.0, 300.0)) == budget_us
    for refused in ("101%", "five", "-1", "0"):
        with pytest.raises(RecipeError, match="budget_ms"):
            load_recipe("quickstart", [f"budget_ms={refused}"])


def test_other_devices_have_a_budget_and_a_profile_of_their_own():
    phone = "{device: {name: phone, threads: 2}, budget_ms: 5, profile: {table: T.json}}"
    recipe = load_recipe(
        "quickstart", [f"other_devices=[{phone}]", "other_devices.0.budget_ms=40%", "device.threads=4"]
    )
    own, other = recipe.targets
    assert (own.device.name, own.device.threads, own.budget_ms) == ("local", 4, "45%")
    assert (other.device.name, other.device.threads, other.budget_ms) == ("phone", 2, "40%")
    assert other.profile.table == "T.json" and own.profile.table is None
    assert parse_recipe(yaml.safe_load(recipe.to_yaml()), source="test") == recipe
    with pytest.raises(RecipeError, match=r"other_devices\.0\.budget_ms"):
        load_recipe("quickstart", ["other_devices=[{device: {name: phone}}]"])


def test_further_budgets_are_quantities_with_units():
    budgets = load_recipe(
        "quickstart",
        ["budgets={params: 1.2M, macs: 300_000, peak_memory: 4MB}", "budgets.file_size=4 MiB"],
    ).budgets
    assert budgets.model_dump() == {
        "params": 1_200_000, "macs": 300_000, "layers": None,
        "peak_memory": 4_000_000, "file_size": 4 * 2**20,
    }  # fmt: skip
    assert load_recipe("quickstart").budgets.model_dump(exclude_none=True) == {}


@pytest.mark.parametrize("text", ["1.2X", "0", "-1M", "4MB", "nan", ".inf", "1e999", "[1]", "0.5", "M"])
def test_what_is_no_count_is_refused_and_named(text):
    with pytest.raises(RecipeError, match=r"budgets\.params"):
        load_recipe("quickstart", [f"budgets.params={text}"])


@pytest.mark.parametrize("text", ["seed: 2026-13-01", "[" * 5000, "name: ["])
def test_what_is_no_yaml_is_one_clear_error(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match="not YAML"):
        load_recipe(str(path))


def test_another_method_takes_the_place_of_the_recipes_with_its_own_defaults():
    recipe = load_recipe("quickstart", ["search.trials=5"], method="random")
    assert recipe.search.method == "random"
    assert recipe.search == find_method("random").settings(method="random", trials=5)
    assert parse_recipe(yaml.safe_load(recipe.to_yaml()), source="again") == recipe
    assert load_recipe("quickstart", method="dnas") == load_recipe("quickstart")
    with pytest.raises(InvalidInputError, match="no search method 'magic'"):
        load_recipe("quickstart", method="magic")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("search.method=magic", "search: no search method 'magic'; there are dnas, random"),
        ("search.trials=5", "search.trials: Extra inputs"),
        ("search=5", "search: write a mapping"),
    ],
)
def test_settings_of_no_method_or_another_are_refused(override, words):
    with pytest.raises(RecipeError, match=re.escape(words)):
        load_recipe("quickstart", [override])
