"""JSON, bounded."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.errors import MalformedJsonError, UnreadableFileError
from fbsearch.files import dump_json, parse_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(json_values)
def test_what_is_written_is_read(data):
    assert parse_json(dump_json(data)) == data


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[" * 100_000, "nested more than 100 levels deep"),
        ("[" * 101 + "[]" + "]" * 101, "nested more than 100 levels deep"),
        ('{"a":' * 102 + "1" + "}" * 102, "nested more than 100 levels deep"),
        ("[1, " + "9" * 5000 + "]", "a number of 5,000 digits, the size of none: 80 are allowed"),
        ("9" * 81, "a number of 81 digits"),
        ('"\\ud800"', r"half a character, '\\ud800'"),
        ('[{"\\udfff": 1}]', r"half a character, '\\udfff'"),
        ('{"a": {"b": "x\\ud800"}}', "half a character"),
        ("1e999", "a number beyond all bounds: 1e999"),
        ("[-1e400]", "a number beyond all bounds: -1e400"),
        ("NaN", "NaN, which is no number"),
        ("[-Infinity]", "-Infinity, which is no number"),
    ],
)
def test_what_is_refused(text, named):
    with pytest.raises(UnreadableFileError, match=named) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("text", ["", "{", "[1,]", "\ufeff{}", "{'a': 1}", "nul"])
def test_what_is_none(text):
    with pytest.raises(MalformedJsonError, match=r"not JSON \(line 1, column \d+: "):
        parse_json(text)


def test_what_is_at_the_bounds_is_taken():
    assert parse_json("9" * 80) == int("9" * 80)
    assert parse_json("[" * 101 + "]" * 101)
    assert parse_json('"\\ud83d\\ude00"') == "\U0001f600"


def test_who_looks_at_the_numbers_gets_them_all():
    not_a_number, beyond, below = parse_json("[NaN, 1e999, -Infinity]", allow_nan=True)
    assert math.isnan(not_a_number)
    assert (beyond, below) == (math.inf, -math.inf)


@pytest.mark.parametrize("digits", [1, 80, 81, 200, 308, 309, 310, 319, 400, 4300])
def test_a_whole_number_beyond_all_bounds_is_infinite_to_them(digits):
    expected = 10**digits - 1 if digits <= 80 else float("9" * digits)
    assert parse_json("9" * digits, allow_nan=True) == expected
    assert parse_json("-" + "9" * digits, allow_nan=True) == -expected


def test_where_python_ends_they_get_none():
    with pytest.raises(UnreadableFileError, match="a number of 4,301 digits"):
        parse_json("-" + "9" * 4301, allow_nan=True)
