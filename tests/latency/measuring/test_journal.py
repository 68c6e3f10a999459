import json
import os
from pathlib import Path

import pytest

from fbsearch.devices import ModelRound, SentinelReading
from fbsearch.errors import TableError, TableFormatError, TableMismatchError
from fbsearch.latency.measuring.journal import Journal

IDENTITY = {"space": {"name": "digits"}, "runtime": {"threads": 1}, "seed": 0}
EVENTS = [
    SentinelReading(150.0, 0.0, True),
    ModelRound("a", (1.5, 2.25)),
    SentinelReading(151.5, 0.25),
    ModelRound("b", (3.0,)),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.json.partial"


def write(path, events=EVENTS):
    with Journal(path, IDENTITY) as journal:
        journal.add_converting(1.5)
        for event in events:
            journal.append(event)


def test_events_come_back_in_order(path):
    write(path)
    with Journal(path, IDENTITY) as journal:
        assert journal.events == EVENTS and journal.converting_s == 1.5
        journal.append(EVENTS[2])
    with Journal(path, IDENTITY) as journal:
        assert journal.events == [*EVENTS, EVENTS[2]]
        journal.delete()
    assert not path.exists()


def test_every_event_is_on_disk_at_once(path):
    with Journal(path, IDENTITY) as journal:
        for number, event in enumerate(EVENTS, start=2):
            journal.append(event)
            assert path.read_bytes().count(b"\n") == number


def test_cut_at_any_byte_it_keeps_every_whole_line(path):
    write(path)
    content = path.read_bytes()
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        with Journal(path, IDENTITY) as journal:
            whole = max(content[:size].count(b"\n") - 2, 0)
            assert journal.events == EVENTS[:whole]
            journal.append(SentinelReading(9.0, 9.0, True))
        with Journal(path, IDENTITY) as journal:
            assert journal.events == [*EVENTS[:whole], SentinelReading(9.0, 9.0, True)]


def test_another_profile_says_what_differs_and_what_to_do(path):
    write(path)
    other = {"space": {"name": "digits"}, "runtime": {"threads": 2}, "seed": 0}
    with pytest.raises(
        TableMismatchError, match=r"runtime\.threads 1 then, 2 now.*choose another --out"
    ) as caught:
        Journal(path, other)
    assert "seed" not in str(caught.value) and "\n" not in str(caught.value)
    with Journal(path, IDENTITY) as journal:
        assert journal.events == EVENTS


def test_the_networks_to_measure_are_kept_with_what_was_spent_before(path):
    write(path)
    with Journal(path, IDENTITY) as journal:
        assert journal.networks is None
        planned = journal.plan_networks([(0, 1), (2, 3)])
        assert planned.choices == ((0, 1), (2, 3))
        assert (planned.converting_s, planned.measuring_s) == (1.5, 0.25)
        journal.append(SentinelReading(151.0, 7.5))
        assert journal.plan_networks([(9, 9)]) == planned, "what is recorded stands"
    with Journal(path, IDENTITY) as journal:
        assert journal.networks == planned and journal.events == [*EVENTS, SentinelReading(151.0, 7.5)]


def test_two_writers_are_refused(path):
    with Journal(path, IDENTITY), pytest.raises(TableError, match=f"in use by process {os.getpid()}: wait"):
        Journal(path, IDENTITY)
    Journal(path, IDENTITY).__exit__(None, None, None)


def test_two_writers_of_one_table_are_refused_whatever_they_measure(path, tmp_path):
    table = tmp_path / "table.json"
    with (
        Journal(path, IDENTITY, replaces=table),
        pytest.raises(TableError, match=r"table\.json is in use by process .* or copy the table elsewhere"),
    ):
        Journal(tmp_path / "other", IDENTITY, replaces=table, remedy="copy the table elsewhere")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "line",
    [
        "garbage",
        "[1]",
        "{}",
        '{"operator": "a", "round_us": []}',
        '{"operator": "a", "round_us": [NaN]}',
        '{"operator": "a", "round_us": [-1.0]}',
        '{"operator": "a", "round_us": ["1"]}',
        '{"operator": 3, "round_us": [1.0]}',
        '{"sentinel_us": 0.0, "at_s": 1.0}',
        '{"sentinel_us": 1.0, "at_s": null}',
        '{"converting_s": -1.0}',
        '{"networks": [[0, -1]]}',
        '{"networks": [0]}',
        '{"networks": {}}',
    ],
)
def test_damage_in_the_middle_is_named_by_line(path, line):
    write(path)
    lines = path.read_text().splitlines()
    lines.insert(4, line)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(TableFormatError, match="line 5 is damaged"):
        Journal(path, IDENTITY)


def test_a_file_of_something_else_is_left_alone(path):
    path.write_text('{"format": "other"}\n')
    with pytest.raises(TableFormatError, match="no journal"):
        Journal(path, IDENTITY)
    assert path.read_text() == '{"format": "other"}\n'


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x.partial", tmp_path):
        with pytest.raises(TableError, match="cannot write"):
            Journal(path, IDENTITY)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_line(path):
    with Journal(path, IDENTITY) as journal:
        journal.append(EVENTS[0])
        with Path("/dev/full").open("ab", buffering=0) as full:
            whole, journal._file = journal._file, full
            with pytest.raises(TableError, match=r"No space left.*kept there.*same command again"):
                journal.append(EVENTS[1])
        journal._file = whole
    with Journal(path, IDENTITY) as journal:
        assert journal.events == EVENTS[:1]


def test_a_half_written_line_counts_as_a_full_disk(path):
    class Short:
        def __init__(self, file):
            self.file = file

        def write(self, line):
            return self.file.write(line[: len(line) // 2])

        def __getattr__(self, name):
            return getattr(self.file, name)

    with Journal(path, IDENTITY) as journal:
        journal.append(EVENTS[0])
        journal._file = Short(journal._file)
        with pytest.raises(TableError, match="no space left"):
            journal.append(EVENTS[1])
    with Journal(path, IDENTITY) as journal:
        assert journal.events == EVENTS[:1]


def test_lines_are_plain_json(path):
    write(path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows[0]["identity"] == IDENTITY
    assert rows[2] == {"sentinel_us": 150.0, "at_s": 0.0, "is_start": True}
    assert rows[3] == {"operator": "a", "round_us": [1.5, 2.25]}


def test_a_pipe_is_no_journal(tmp_path):
    os.mkfifo(tmp_path / "journal")
    with pytest.raises(TableFormatError, match="no journal: a pipe, no regular file; move it away or choose"):
        Journal(tmp_path / "journal", IDENTITY)
