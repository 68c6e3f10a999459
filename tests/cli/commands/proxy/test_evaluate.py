"""``fbsearch proxy evaluate`` on a small population of the digits' space."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import kendalltau

from fbsearch.costs import count_architecture
from fbsearch.spaces import load_space

OPTIONS = ("--space", "digits", "--proxy", "zen", "--repeats", 1, "--batch-size", 4, "--quiet")


def trained(num_networks=4):
    """Codes with accuracies that grow with the parameters, in per cent."""
    space = load_space("digits")
    codes = [space.sample(np.random.default_rng(seed)) for seed in range(num_networks)]
    counts = [count_architecture(space.decode(code)).num_params for code in codes]
    rows = [
        f"{' '.join(map(str, code))},{50 + 40 * count / max(counts):.3f}"
        for code, count in zip(codes, counts, strict=True)
    ]
    return "\n".join(["code,accuracy", *rows, ""]), counts


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    """One for all tests, so that they share the scores."""
    text, counts = trained()
    path = tmp_path_factory.mktemp("population") / "trained.csv"
    path.write_text(text)
    return path, counts


@pytest.mark.usefixtures("home")
def test_figures_verdicts_and_a_plot_which_the_same_command_repeats(population, command, tmp_path):
    path, counts = population
    out, _ = command("proxy", "evaluate", path, *OPTIONS, "--plot", tmp_path / "tau.svg", "--json")
    told = json.loads(out)
    assert told["num_networks"] == 4 and told["best_baseline"] == "params"
    params, zen = told["proxies"]["params"], told["proxies"]["zen"]
    assert params["kendall_tau"] == 1 and params["interval"] == [1, 1] and params["is_baseline"]
    assert -1 <= zen["interval"][0] <= zen["kendall_tau"] <= zen["interval"][1] <= 1
    assert zen["beats_baselines"] is False
    assert "parameters: difference " in zen["verdict"]
    assert told["summary"].startswith("the proxy does not beat the best trivial baseline, parameters (τ 1.00")
    macs = told["proxies"]["num_nonidentity_layers"]["kendall_tau"]
    layers = [layers_of(code) for code in path.read_text().splitlines()[1:]]
    assert macs == pytest.approx(kendalltau(layers, counts).statistic)
    assert (tmp_path / "tau.svg").read_text().startswith("<svg")
    journal = path.with_name("trained.csv.scores.jsonl")
    before = journal.read_bytes()
    again, _ = command("proxy", "evaluate", path, *OPTIONS, "--json")
    assert json.loads(again) == told and journal.read_bytes() == before


def layers_of(row: str) -> int:
    """Those of a code that are no skip where nothing changes, but for a constant."""
    space = load_space("digits")
    architecture = space.decode([int(word) for word in row.split(",")[0].split()])
    return sum(not operator.is_identity for operator in architecture.operators())


@pytest.mark.usefixtures("home")
def test_people_read_a_table_and_words(population, command):
    out, words = command("proxy", "evaluate", population[0], *OPTIONS, "--ensemble", "zen,params")
    assert "num_nonidentity_layers" in out and "zen+params" in out
    assert "params: the best trivial baseline" in words
    assert words.strip().splitlines()[-1].startswith("the proxy does not beat")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--proxy", "best"), "'best' is no proxy"),
        (("--ensemble", "zen"), "ensemble 'zen': it takes two or more of zen"),
        (("--proxy", "latency"), "give a table with --table"),
        (("--space", "nowhere"), "neither a preset"),
        (("--plot", "."), "is a folder: name a file in it"),
    ],
)
def test_one_line_for_what_is_wrong(population, failing, arguments, words):
    assert words in failing("proxy", "evaluate", population[0], *OPTIONS, *arguments)


def test_one_line_names_the_row(tmp_path, failing):
    path = tmp_path / "trained.csv"
    path.write_text(trained()[0] + "0 0 0 0,1.2\n0 0 0 1,nan\n")
    assert "trained.csv: line 7: accuracy 'nan'" in failing("proxy", "evaluate", path, "--space", "digits")
    assert "cannot read trained networks" in failing("proxy", "evaluate", tmp_path / "none.csv")
