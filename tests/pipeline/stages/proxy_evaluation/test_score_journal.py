"""The journal of scores keeps what it was given, whatever ends the process."""

from __future__ import annotations

import json

import pytest

from fbsearch.errors import CheckpointError
from fbsearch.pipeline.stages.proxy_evaluation.score_journal import JournalledScore, ScoreJournal, score_key
from fbsearch.spaces import load_space

SCORE = JournalledScore("a", "net", "zen", 1.5, 0.1, 0.01)
NONE = JournalledScore("b", "net", "phi", None, 0.0, 0.02, "overflows")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "archs.csv.scores.jsonl"
    with ScoreJournal(path) as journal:
        journal.add([SCORE, NONE])
    return path


def test_what_was_added_is_there_again(path):
    with ScoreJournal(path) as journal:
        assert journal["a"] == SCORE and journal["b"] == NONE and "c" not in journal
        assert journal["b"].rank_score == float("-inf") and journal["a"].rank_score == 1.5


def test_a_torn_last_line_is_cut_off(path):
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "c", "net')
    with ScoreJournal(path) as journal:
        assert "a" in journal
        journal.add([JournalledScore("c", "net", "snip", 2.0, 0.0, 0.0)])
    with ScoreJournal(path) as journal:
        assert journal["c"].score == 2.0
    assert path.read_bytes().startswith(whole)


@pytest.mark.parametrize(
    "line",
    [
        "torn",
        "[]",
        json.dumps({**vars(SCORE), "score": "1"}),
        json.dumps({**vars(SCORE), "std": None}),
        json.dumps({**vars(SCORE), "key": 1}),
        json.dumps({**vars(SCORE), "more": 1}),
        '{"key": "a", "network": "n", "proxy": "z", "score": NaN, "std": 0, "seconds": 0, "reason": null}',
    ],
)
def test_a_damaged_line_is_named(path, line):
    path.write_text(f"{path.read_text()}{line}\n{json.dumps(vars(NONE))}\n")
    with pytest.raises(CheckpointError, match="line 4 is damaged; delete that line"):
        ScoreJournal(path)


def test_other_files_are_refused(tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text('{"format": "fbsearch.latency_journal", "version": 1}\n')
    with pytest.raises(CheckpointError, match="no journal of scores of this fbsearch's version"):
        ScoreJournal(other)
    assert other.read_text().startswith('{"format": "fbsearch.latency_journal"')


def test_one_owner(path):
    with ScoreJournal(path), pytest.raises(CheckpointError, match="is in use by process"):
        ScoreJournal(path)


def test_keys_tell_apart_what_matters_and_nothing_else():
    space = load_space("digits")
    network = space.decode((0, 0, 0, 0))
    key = score_key(network, "zen", {"repeats": 1, "seed": 0})
    assert key == score_key(space.decode((0, 0, 0, 0), name="another"), "zen", {"seed": 0, "repeats": 1})
    others = [
        score_key(space.decode((0, 0, 0, 1)), "zen", {"repeats": 1, "seed": 0}),
        score_key(network, "phi", {"repeats": 1, "seed": 0}),
        score_key(network, "zen", {"repeats": 1, "seed": 1}),
    ]
    assert len({key, *others}) == 4
