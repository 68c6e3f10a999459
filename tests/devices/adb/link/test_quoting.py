"""Whatever a string holds, the device's shell sees one word, or the string is refused."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fbsearch.devices.adb.link.quoting import check_remote, encode, quote, remote_path
from fbsearch.errors import DeviceError

HOSTILE = [
    "plain",
    "",
    "two words",
    "it's",
    '"double"',
    "$(touch owned)",
    "`touch owned`",
    "; touch owned #",
    "&& touch owned",
    "a\nb",
    "\\",
    "-n",
    "*",
    "~",
    "!!",
    "${IFS}",
    "\r\n",
    "é\u202e",
    "'$(touch owned)'",
]
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
SHELL_TEXT = st.text(st.sampled_from("ab'\"$(){}`;&|<>\\\n\t *?[]~!#=-/"), max_size=40)


def echoed(texts: list[str], folder) -> list[str]:
    """What a POSIX shell takes the quoted texts for."""
    command = "printf '%s\\0' " + " ".join(quote(text) for text in texts)
    run = subprocess.run(["sh", "-c", command], capture_output=True, check=True, cwd=folder)
    return [word.decode() for word in run.stdout.split(b"\0")[:-1]]


def test_hostile_strings_stay_one_word(tmp_path):
    assert echoed(HOSTILE, tmp_path) == HOSTILE
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60)
@given(st.lists(ANY_TEXT | SHELL_TEXT, min_size=1, max_size=20))
def test_any_text_stays_one_word(tmp_path_factory, texts):
    folder = tmp_path_factory.getbasetemp() / "quoting"
    folder.mkdir(exist_ok=True)
    assert echoed(texts, folder) == texts
    assert list(folder.iterdir()) == []


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_nul_character_is_refused(before, after):
    for function in (quote, encode, check_remote):
        with pytest.raises(DeviceError):
            function(f"{before}\0{after}")


def test_what_has_no_utf8_form_is_refused():
    with pytest.raises(DeviceError, match="UTF-8"):
        quote("\ud800")


@settings(max_examples=2000)
@given(st.text(max_size=30))
@example("..")
@example(".")
@example("")
@example("a/b")
@example("a\n")
@example("-rf")
def test_a_path_never_leaves_its_folder(name):
    folder = "/data/local/tmp/fbsearch"
    try:
        path = remote_path(folder, name)
    except DeviceError as error:
        assert "\n" not in str(error)
    else:
        assert path == f"{folder}/{name}"
        assert quote(path) == path
        assert "/" not in name
        assert name not in (".", "..")


@pytest.mark.parametrize("name", ["é", "a b", "a'b", "a;b", "../x", "a" * 201, "a\0"])
def test_names_that_are_refused(name):
    with pytest.raises(DeviceError, match=r"cannot be a file's name"):
        remote_path("/data/local/tmp/fbsearch", name)


@pytest.mark.parametrize(
    "folder", ["", "/", "data", "/data/../system", "/data/./x", "/data/", "/a b", "/a\n", "/$x"]
)
def test_folders_that_are_refused(folder):
    with pytest.raises(DeviceError, match=r"cannot be a folder"):
        remote_path(folder, "x")


@pytest.mark.parametrize("path", ["relative", "", "/" + "x" * 1024])
def test_paths_that_cannot_be_transferred(path):
    with pytest.raises(DeviceError, match="cannot be transferred"):
        check_remote(path)
