"""Files that people write."""

from __future__ import annotations

import pytest

from fbsearch.devices.definition import load_definition as load_device
from fbsearch.errors import DeviceError, RecipeError, SpaceError, UnreadableFileError
from fbsearch.files import parse_yaml
from fbsearch.pipeline import load_recipe
from fbsearch.spaces import load_space


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a: 1\nb: 2\na: 3\n", "key 'a' stands twice, in line 1 and in line 3"),
        ("outer:\n  # a comment\n  a: 1\n  'a': 1\n", "key 'a' stands twice, in line 3 and in line 4"),
        ("rows:\n- {1: x, 2: y, 1: z}\n", "key '1' stands twice, in line 2 and in line 2"),
        ("a: &base {b: 1}\nc:\n  <<: *base\n  <<: *base\n", "key '<<' stands twice, in line 3"),
    ],
)
def test_a_key_that_stands_twice_is_named_with_its_lines(text, named):
    with pytest.raises(UnreadableFileError, match=named):
        parse_yaml(text)


M = {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: {x: 1}\nb: {x: 2}\n", {"a": {"x": 1}, "b": {"x": 2}}),
        ("1: a\n'1': b\n", {1: "a", "1": "b"}),
        (
            "- &m {a: 1, b: 2}\n- {<<: *m, a: 3}\n- *m\n",
            [{"a": 1, "b": 2}, {"a": 3, "b": 2}, {"a": 1, "b": 2}],
        ),
        (
            "deep: {inner: &m {<<: {a: 1}, a: 2}}\nshallow: {<<: *m, b: 3}\n",
            {"deep": {"inner": {"a": 2}}, "shallow": {"a": 2, "b": 3}},
        ),
        ("", None),
    ],
)
def test_what_only_looks_like_it_is_taken(text, data):
    assert parse_yaml(text) == data


LAUGHS = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefghi", "bcdefghij", strict=True)
)
MERGED_LAUGHS = "a: &a {x: 1}\n" + "".join(
    f"{after}: &{after} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
    for before, after in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("!!bool foo", "a value that its tag does not allow"),
        ("!!int ''", "a value that its tag does not allow"),
        ("!!timestamp x", "a value that its tag does not allow"),
        ('"\\UFFFFFFFF"', "."),
        ('"\\ud800"', "half a character"),
        ("a: 2020-13-01", "month must be in 1..12"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("!!int [1]", "line 1: a list or a mapping is no number"),
        ("!!float {=: 1}", "line 1: a list or a mapping is no number"),
        ("[" * 60_000, "nested more than 100 levels deep"),
        ("- " * 30_000 + "x", "nested more than 100 levels deep"),
        ("a:\n  b: " + "9" * 5000, "line 2: a number of 5,000 digits; 80 are allowed"),
        ("0x" + "f" * 5000, "a number of 5,002 digits"),
        ("1" + ":59" * 20_000, "a number of 60,001 digits"),
        ("1" + ":59" * 20_000 + ".0", "a number of 60,003 digits"),
        ("&a [*a]", "aliases that lead in a circle"),
        ("&a {b: {c: *a}}", "aliases that lead in a circle"),
        (LAUGHS, "aliases that lead in a circle, or grow beyond 262,144 characters"),
        (MERGED_LAUGHS, "aliases that lead in a circle, or grow beyond 262,144 characters"),
        ("x" * 65_537, "65,537 characters, more than the 65,536 that are allowed"),
        ("a: 1\n---\nb: 2\n", "expected a single document"),
        ("a: \x1b[2J", "special characters are not allowed"),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_refused_is_told_in_a_line(text, named):
    with pytest.raises(UnreadableFileError, match=named) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_every_file_that_a_person_writes_is_read_so(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("name: a\nname: b\n")
    for load, error in ((load_recipe, RecipeError), (load_space, SpaceError)):
        with pytest.raises(error, match="key 'name' stands twice, in line 1 and in line 2"):
            load(str(path))
    with pytest.raises(DeviceError, match="key 'name' stands twice"):
        load_device(path)
    with pytest.raises(RecipeError, match="key 'limit' stands twice"):
        load_recipe("quickstart", ["data={limit: 1, limit: 2}"])
