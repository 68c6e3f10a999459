"""A function of a user's own, by its name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fbsearch.errors import DependencyError, InvalidInputError
from fbsearch.nn.named_function import call_function, find_function, is_function_name


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_module_beside_the_user_is_found_and_the_path_is_as_before(tmp_path: Path) -> None:
    (tmp_path / "beside_user.py").write_text(
        "def four():\n    import beside_too\n    return beside_too.FOUR\n"
    )
    (tmp_path / "beside_too.py").write_text("FOUR = 4\n")
    before = list(sys.path)
    assert call_function("beside_user:four") == 4
    assert sys.path == before


def test_what_python_finds_anyway_comes_first(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("raise AssertionError")
    sys.modules.pop("colorsys", None)
    assert callable(find_function("colorsys:rgb_to_hsv"))


@pytest.mark.parametrize("text", ["", "a", "a:", ":b", "a:b:c", "a b:c", "../a:b", "1a:b", "a..b:c", "a:b()"])
def test_names_that_are_none(text: str) -> None:
    assert not is_function_name(text)
    with pytest.raises(InvalidInputError, match="write module:function"):
        find_function(text)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("1/0", "does not import: ZeroDivisionError"),
        ("def (", "does not import: SyntaxError"),
        ("make = 3", "there is a int, no function, 'make'"),
        ("other = 3", "there is no function 'make'"),
        ("def make(n): pass", "make.. failed: TypeError"),
        ("def make(): raise ValueError('a\\n  b')", "failed: ValueError: a b"),
    ],
)
def test_failures_are_one_line(tmp_path: Path, body: str, message: str) -> None:
    name = f"failing_module_{abs(hash(body))}"
    (tmp_path / f"{name}.py").write_text(body)
    with pytest.raises(InvalidInputError, match=message) as caught:
        call_function(f"{name}:make")
    assert "\n" not in str(caught.value)


def test_our_own_errors_pass_as_they_are(tmp_path: Path) -> None:
    body = "import fbsearch.errors as all\ndef make():\n    raise all.DependencyError('pip install it')"
    (tmp_path / "lacking_module.py").write_text(body)
    with pytest.raises(DependencyError, match=r"^pip install it$"):
        call_function("lacking_module:make")
