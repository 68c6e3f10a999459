"""The trials of a search are a population: read from its checkpoint, each network once."""

from __future__ import annotations

import pytest

from fbsearch.errors import CheckpointError, InvalidInputError
from fbsearch.pipeline import load_recipe
from fbsearch.pipeline.stages.proxy_evaluation.past_trials import read_past_trials
from fbsearch.records import RunPaths
from fbsearch.search.trials import TrialSettings, TrialsTask
from fbsearch.spaces import load_space
from fbsearch.train import run_epochs, save_state

SPACE = load_space("digits")
CODES = ((0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 0, 0), (2, 2, 2, 2))


class Listed:
    """Proposes the codes in their order."""

    def __init__(self) -> None:
        self.asked = 0

    def ask(self):
        self.asked += 1
        return CODES[self.asked - 1]

    def tell(self, code, score):
        pass

    def state_dict(self):
        return {"asked": self.asked}

    def load_state_dict(self, state):
        self.asked = state["asked"]


def searched(root, accuracy, **fields):
    settings = TrialSettings(method="random", trials=4, attempts=1)
    task = TrialsTask(SPACE, [], Listed(), accuracy, settings)
    identity = {"space": SPACE.fingerprint, "settings": settings.model_dump(mode="json") | fields}
    run_epochs(
        task, folder=RunPaths(root).search, title="search", resume=False, identity=identity, progress=False
    )
    return root


def share(architecture, report):
    return 0.9 - 0.1 * SPACE.encode(architecture)[0]


def test_each_network_once_with_its_accuracy(tmp_path):
    networks = read_past_trials(searched(tmp_path, share), SPACE)
    assert [SPACE.encode(one.architecture) for one in networks] == [CODES[0], CODES[1], CODES[3]]
    assert [one.accuracy for one in networks] == pytest.approx([0.9, 0.8, 0.7])
    assert [one.place for one in networks] == ["trial 1", "trial 2", "trial 4"]


def test_the_recipe_of_a_run_tells_the_space(tmp_path):
    with pytest.raises(InvalidInputError, match="does not tell which space was searched"):
        read_past_trials(searched(tmp_path, share), None)
    RunPaths(tmp_path).recipe.write_text(load_recipe("quickstart").to_yaml())
    SPACE.decode(CODES[0]).save(RunPaths(tmp_path).architecture)
    assert len(read_past_trials(tmp_path, None)) == 3


def test_other_spaces_and_scores_that_are_no_accuracies_are_refused(tmp_path):
    folder = searched(tmp_path / "a", share)
    with pytest.raises(InvalidInputError, match="is of another space than 'cifar'"):
        read_past_trials(folder, load_space("cifar"))
    judged = [searched(tmp_path / "b", lambda *_: 97.0), searched(tmp_path / "c", share, proxy="zen")]
    for other in judged:
        with pytest.raises(InvalidInputError, match="were judged by a score, not by training"):
            read_past_trials(other, SPACE)


def test_folders_without_trials_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is missing; it is made by"):
        read_past_trials(tmp_path, SPACE)
    path = RunPaths(tmp_path).search / "checkpoint.safetensors"
    path.parent.mkdir()
    save_state(path, {"identity": {}, "task": {"theta": [1.0]}})
    with pytest.raises(InvalidInputError, match="no search by trials"):
        read_past_trials(tmp_path, SPACE)
