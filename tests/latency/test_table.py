import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fbsearch.architecture import Operator
from fbsearch.devices import Measurement
from fbsearch.errors import (
    MissingOperatorError,
    TableError,
    TableFormatError,
    TableMismatchError,
    TableValueError,
)
from fbsearch.latency import LatencyTable, TableEntry
from fbsearch.spaces import load_space
from tests.latency.sample_table import DEVICE, RUNTIME, sample_table
from tests.spaces.chains import first_candidates

SPACE = load_space("digits")
TABLE = sample_table()
DATA = json.loads(json.dumps(TABLE.to_dict()))
KEY = next(iter(TABLE.entries))


def changed(path, value):
    """A copy of the table's JSON form with the value at ``path`` replaced (or deleted, for ``...``)."""
    data = copy.deepcopy(DATA)
    *parents, last = path
    place = data
    for name in parents:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return data


# Reading what was written


def test_save_and_load_are_inverse(tmp_path):
    path = tmp_path / "deep" / "table.json"
    TABLE.save(path)
    loaded = LatencyTable.load(path)
    assert loaded.header == TABLE.header and loaded.entries == TABLE.entries
    assert loaded.source == str(path)
    assert list(path.parent.iterdir()) == [path]


rounds = st.lists(
    st.lists(st.floats(0.01, 1e6), min_size=1, max_size=6).map(tuple), min_size=6, max_size=9
).map(tuple)


@given(rounds, st.integers(0, 99))
def test_any_measurement_survives_the_round_trip(rounds_us, num_discarded):
    entry = TableEntry.of(Measurement(rounds_us, num_discarded=num_discarded))
    data = json.loads(json.dumps(entry.to_dict()))
    assert TableEntry.from_dict(data, TABLE.protocol, place="here") == entry


def test_a_full_table_stays_below_900_kb(tmp_path):
    """FBNet's space, every entry with the most rounds of the most invocations."""
    space = load_space("fbnet")
    protocol = TABLE.protocol
    table = sample_table(space, num_rounds=protocol.max_rounds, num_values=protocol.max_invocations)
    path = tmp_path / "table.json"
    table.save(path)
    assert len(table.entries) == 105 and path.stat().st_size < 900_000 * 105 / 110


# Looking up


def test_latencies_of_operators_and_architectures():
    operator = Operator.from_key(KEY)
    assert TABLE.latency_us(operator) == TABLE.entries[KEY].latency_us
    choices = tuple(len(slot.candidates) - 1 for slot in SPACE.decisions)
    architecture = SPACE.decode(choices)
    total = sum(TABLE.entries[op.key].latency_us for op in architecture.operators() if not op.is_identity)
    assert TABLE.architecture_us(architecture) == pytest.approx(total)


def test_an_identity_costs_nothing_and_needs_no_entry():
    assert TABLE.latency_us(Operator.from_key("skip_s1_c999-999_r7")) == 0.0
    assert not any(Operator.from_key(key).is_identity for key in TABLE.entries)


def test_a_missing_operator_is_named_with_the_command_to_run():
    operator = Operator.from_key("mbconv_k3_e6_s2_relu_c16-24_r112")
    with pytest.raises(MissingOperatorError, match=r"c16-24_r112.*fbsearch profile .*--threads 1") as caught:
        TABLE.latency_us(operator)
    assert "\n" not in str(caught.value)


def test_the_space_is_checked():
    TABLE.check_space(SPACE)
    with pytest.raises(TableMismatchError, match=r"'digits'.*'cifar'.*lacks"):
        TABLE.check_space(load_space("cifar"))
    entries = {key: entry for key, entry in TABLE.entries.items() if key != KEY}
    with pytest.raises(MissingOperatorError, match=KEY):
        LatencyTable(TABLE.header, entries).check_space(SPACE)


def test_a_table_that_holds_every_operator_of_another_space_will_do():
    part = first_candidates(SPACE, 2)
    assert part.fingerprint != TABLE.space_fingerprint
    TABLE.check_space(part)


def test_the_device_and_the_runtime_are_checked():
    assert TABLE.check_device(DEVICE, RUNTIME) == ()
    renamed = DEVICE.model_copy(update={"name": "other", "system": "Linux 99"})
    assert TABLE.check_device(renamed, RUNTIME) == ()
    notes = TABLE.check_device(DEVICE, RUNTIME.model_copy(update={"version": "9.9"}))
    assert len(notes) == 1 and "2.3.0" in notes[0] and "9.9" in notes[0]
    for device, runtime in (
        (DEVICE.model_copy(update={"model": "Other CPU"}), RUNTIME),
        (DEVICE, RUNTIME.model_copy(update={"threads": 2})),
        (DEVICE, RUNTIME.model_copy(update={"name": "onnxruntime"})),
    ):
        with pytest.raises(TableMismatchError) as caught:
            TABLE.check_device(device, runtime)
        ours, theirs = (TABLE.device, device) if device != DEVICE else (TABLE.runtime, runtime)
        assert ours.identity in str(caught.value) and theirs.identity in str(caught.value)


# Refusing what is wrong


@pytest.mark.parametrize(
    ("path", "value", "error", "named"),
    [
        (("format",), "something", TableFormatError, "format"),
        (("version",), 3, TableFormatError, "version 3.*versions 1 and 2"),
        (("version",), True, TableFormatError, "version True"),
        (("version",), ..., TableFormatError, "version None"),
        (("unit",), "ms", TableFormatError, "'ms'"),
        (("unit",), ..., TableFormatError, "microseconds"),
        (("device",), ..., TableFormatError, "device"),
        (("device", "num_cores"), 0, TableValueError, "device.num_cores"),
        (("runtime", "name"), "other", TableFormatError, "runtime.name"),
        (("space", "fingerprint"), "xyz", TableFormatError, "space.fingerprint"),
        (("protocol", "min_rounds"), 2, TableFormatError, "min_rounds"),
        (("protocol", "round_ms"), float("nan"), TableValueError, "protocol.round_ms"),
        (("seconds", "measuring"), -1.0, TableValueError, "seconds.measuring"),
        (("seconds", "measuring"), float("inf"), TableValueError, "seconds.measuring"),
        (("sentinel", "operator"), "conv", TableFormatError, "sentinel.operator"),
        (("sentinel", "readings_us", 0), float("nan"), TableValueError, "sentinel.readings_us"),
        (("sentinel", "num_discarded_windows"), 9, TableValueError, "windows"),
        (("extra",), 1, TableFormatError, "extra"),
        (("entries",), {}, TableFormatError, "entries"),
        (("entries",), [], TableFormatError, "entries"),
        (("entries",), ..., TableFormatError, "entries"),
        (("entries", "conv_k9"), {}, TableFormatError, "conv_k9"),
        (("entries", KEY), 3.0, TableFormatError, KEY),
        (("entries", KEY, "latency_us"), ..., TableFormatError, "'latency_us' is missing"),
        (("entries", KEY, "lateny_us"), 1.0, TableFormatError, "unknown field 'lateny_us'"),
        (("entries", KEY, "latency_us"), float("nan"), TableValueError, "latency_us is nan"),
        (("entries", KEY, "latency_us"), float("inf"), TableValueError, "latency_us is inf"),
        (("entries", KEY, "latency_us"), 10**400, TableValueError, "latency_us is inf"),
        (("entries", KEY, "latency_us"), -3.0, TableValueError, "latency_us is -3"),
        (("entries", KEY, "latency_us"), 0, TableValueError, "latency_us is 0"),
        (("entries", KEY, "latency_us"), "3", TableFormatError, "latency_us must be a number"),
        (("entries", KEY, "latency_us"), True, TableFormatError, "latency_us must be a number"),
        (("entries", KEY, "latency_us"), None, TableFormatError, "latency_us must be a number"),
        (("entries", KEY, "latency_us"), 1.0, TableValueError, "its raw values give"),
        (("entries", KEY, "relative_ci"), 0.0, TableValueError, "its raw values give"),
        (("entries", KEY, "is_converged"), False, TableValueError, "is_converged"),
        (("entries", KEY, "is_converged"), 1, TableFormatError, "is_converged"),
        (("entries", KEY, "num_discarded"), -1, TableValueError, "num_discarded"),
        (("entries", KEY, "num_discarded"), 0.5, TableFormatError, "num_discarded"),
        (("entries", KEY, "rounds_us"), [], TableFormatError, "rounds_us"),
        (("entries", KEY, "rounds_us", 0), [], TableFormatError, r"rounds_us\[0\]"),
        (("entries", KEY, "rounds_us", 0, 0), float("nan"), TableValueError, r"rounds_us\[0\] is nan"),
        (("entries", KEY, "rounds_us", 0, 0), -1.0, TableValueError, r"rounds_us\[0\] is -1"),
        (("entries", KEY, "rounds_us", 0, 0), 1e300, TableValueError, "no latency"),
    ],
)
def test_each_defect_has_its_own_error(tmp_path, path, value, error, named):
    file = tmp_path / "table.json"
    file.write_text(json.dumps(changed(path, value)))
    with pytest.raises(error, match=named) as caught:
        LatencyTable.load(file)
    assert type(caught.value) is error
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    if path[0] == "entries" and len(path) > 2:
        assert KEY in str(caught.value)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "format"),
        (b"null", "format"),
        (b'{"a": 1, "a": 2}', "'a' is given twice"),
        (b"[" * 100_000, "depth"),
        (b"1" * 10_000, "size"),
    ],
)
def test_files_that_hold_no_table(tmp_path, content, named):
    file = tmp_path / "table.json"
    file.write_bytes(content)
    with pytest.raises(TableFormatError, match=named):
        LatencyTable.load(file)


def test_an_entry_given_twice_is_named(tmp_path):
    file = tmp_path / "table.json"
    text = json.dumps(DATA)
    entry = json.dumps({KEY: DATA["entries"][KEY]})[1:-1]
    file.write_text(text.replace('"entries": {', '"entries": {' + entry + ", "))
    with pytest.raises(TableFormatError, match=f"{KEY}.*given twice"):
        LatencyTable.load(file)


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(TableFormatError, match="cannot read"):
            LatencyTable.load(path)


def test_an_unwritable_place_is_a_table_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TableError, match="cannot write"):
        TABLE.save(tmp_path / "file" / "table.json")


# Every single-field corruption is refused, or changes no latency


def _paths(value, prefix=()):
    yield prefix
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from _paths(inner, (*prefix, name))


SMALL = sample_table(num_rounds=6, num_values=1).to_dict()
SMALL["entries"] = dict(list(SMALL["entries"].items())[:2])
SMALL = json.loads(json.dumps(SMALL))
PATHS = [path for path in _paths(SMALL) if path]
VALUES = st.one_of(
    st.just(...),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=10),
    st.just([]),
    st.just({}),
    st.lists(st.floats(), max_size=3),
    st.just(10**400),
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PATHS), VALUES)
def test_any_single_change_is_refused_or_harmless(path, value):
    data = copy.deepcopy(SMALL)
    *parents, last = path
    place = data
    for name in parents:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    try:
        loaded = LatencyTable.from_dict(json.loads(json.dumps(data)))
    except TableError as error:
        assert "\n" not in str(error)
        return
    for key, entry in loaded.entries.items():
        assert entry.latency_us == pytest.approx(SMALL["entries"][key]["latency_us"], rel=1e-4)


@settings(max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 10**6))
def test_any_bytes_over_a_table_give_a_table_or_our_error(tmp_path_factory, noise, position):
    text = json.dumps(SMALL).encode()
    position %= len(text)
    file = tmp_path_factory.mktemp("tables") / "table.json"
    file.write_bytes(text[:position] + noise + text[position + len(noise) :])
    try:
        LatencyTable.load(file)
    except TableError as error:
        assert str(file) in str(error)
