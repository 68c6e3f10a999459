"""CSV files of trained networks: what is read, and the one line for everything that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from fbsearch.errors import InvalidInputError
from fbsearch.pipeline.stages.proxy_evaluation.trained_networks import read_trained_networks
from fbsearch.spaces import load_space

SPACE = load_space("digits")


@pytest.fixture
def read(tmp_path):
    def reading(text: str, space=SPACE):
        path = tmp_path / "archs.csv"
        path.write_text(text, "utf-8")
        return read_trained_networks(path, space)

    return reading


def test_codes_as_numbers_and_as_names(read):
    networks = read(
        "code,accuracy,seconds\n0 1 2 3,0.5,7\n\nk3_e3 k3_e1 skip k5_e6,0.6,8\n5 5 5 5, 0.25 ,9\n"
    )
    assert [SPACE.encode(one.architecture) for one in networks] == [
        (0, 1, 2, 3),
        (SPACE.decisions[0].names.index("k3_e3"), 0, 5, 4),
        (5, 5, 5, 5),
    ]
    assert [one.accuracy for one in networks] == [0.5, 0.6, 0.25]
    assert [one.place for one in networks] == ["line 2", "line 4", "line 5"]


def test_architectures_lie_beside_the_file(read, tmp_path):
    (tmp_path / "found").mkdir()
    rows = ["accuracy,architecture"]
    for index in range(3):
        SPACE.decode((0, 0, 0, index)).save(tmp_path / "found" / f"{index}.json")
        rows.append(f"{80 + index},found/{index}.json")
    networks = read("\n".join(rows), None)
    assert [SPACE.encode(one.architecture)[3] for one in networks] == [0, 1, 2]
    assert [one.accuracy for one in networks] == pytest.approx([0.80, 0.81, 0.82])


def test_published_architectures_go_by_their_names(read):
    networks = read("architecture,accuracy\nfbnet_a,73.0\nfbnet_b,74.1\nfbnet_c,74.9\n", None)
    assert [one.architecture.name for one in networks] == ["fbnet_a", "fbnet_b", "fbnet_c"]


def test_structure_strings_take_the_size_of_the_space(read):
    rows = [f'"SuperConvK3BNRELU(3,{width},1,1)",{width}' for width in (8, 16, 24)]
    text = "\n".join(["architecture,accuracy", *rows])
    networks = read(text, load_space("zen_cifar"))
    assert [one.architecture.nodes[0].operator.output.channels for one in networks] == [8, 16, 24]
    assert {(one.architecture.resolution, one.architecture.num_classes) for one in networks} == {(32, 10)}
    with pytest.raises(InvalidInputError, match=r"line 2: a structure string takes .* give --space"):
        read(text, None)
    unquoted = text.replace('"', "")
    with pytest.raises(InvalidInputError, match="line 2 has 5 fields, the header 2"):
        read(unquoted, load_space("zen_cifar"))


def test_a_network_that_learnt_nothing_is_of_either_unit(read):
    networks = read("code,accuracy\n0 0 0 0,0\n0 0 0 1,90\n0 0 0 2,91\n")
    assert [one.accuracy for one in networks] == [0, 0.90, 0.91]


HEAD = "code,accuracy\n0 0 0 0,0.5\n0 0 0 1,0.6\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1 names the columns none: it takes 'accuracy' and either 'code' or 'architecture'"),
        ("code;accuracy\n0 0 0 0;1\n", "line 1 names the columns 'code;accuracy': it takes"),
        ("code,acc\n0 0 0 0,1\n", "line 1 names the columns 'code', 'acc': it takes 'accuracy' and"),
        ("code,architecture,accuracy\n", ".* it takes 'accuracy' and either 'code' or 'architecture'"),
        ("code,accuracy,accuracy\n", "line 1 names a column twice"),
        ("code,accuracy\n0 0 0 0,0.5\n0 0 0 1,0.6\n", "2 networks: give 3 or more"),
        (HEAD + "0 0 0 2,nan\n", "line 4: accuracy 'nan': allowed are shares from 0 to 1, or per cent"),
        (HEAD + "0 0 0 2,\n", "line 4: accuracy missing"),
        (HEAD + "0 0 0 2\n", "line 4: accuracy missing"),
        (HEAD + "0 0 0 2,-0.1\n", "line 4: accuracy '-0.1'"),
        (HEAD + "0 0 0 2,101\n", "line 4: accuracy '101'"),
        (HEAD + "0 0 0 2,inf\n", "line 4: accuracy 'inf'"),
        (HEAD + "0 0 0 2,good\n", "line 4: accuracy 'good'"),
        (HEAD + "0 0 0 2,91\n", "line 2: accuracy 0.5 reads as a share, but line 4: 91 as per cent"),
        (HEAD + "0 0 0 1,0.7\n", "line 4 is the same network as line 3: keep one"),
        (HEAD + "0 0 0 9,0.7\n", "line 4: choice 9 at"),
        (HEAD + "0 0 0,0.7\n", "line 4: 3 choices given"),
        (HEAD + "0 0 0 -1,0.7\n", "line 4: '0' is no candidate at"),
        (HEAD + "k3_e3 k3_e3 k3_e3 k9_e9,0.7\n", "line 4: 'k9_e9' is no candidate at .* allowed are k3_e1"),
        (HEAD + f"{'9' * 400} 0 0 0,0.7\n", "line 4: "),
        (HEAD + "0,0,0,0,0.7\n", "line 4 has 5 fields, the header 2: put what holds commas into double"),
        (HEAD + '0 0 0 "2,0.7\n', "line 4: "),
        (HEAD + '"0 0 0 2,0.7\n', "line 4: not CSV"),
        ("architecture,accuracy\nnowhere.json,0.5\na,0.6\nb,0.7\n", "line 2: 'nowhere.json' is neither"),
    ],
)  # fmt: skip
def test_one_line_names_the_row_and_what_is_wrong(read, text, words):
    with pytest.raises(InvalidInputError, match=rf"archs\.csv: {words}") as caught:
        read(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_code_needs_its_space(read):
    with pytest.raises(
        InvalidInputError, match="line 2: a code says nothing without its space: give --space"
    ):
        read(HEAD + "0 0 0 2,0.7\n", None)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(InvalidInputError, match="cannot read trained networks: No such file"):
        read_trained_networks(tmp_path / "none.csv", SPACE)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError, match="not UTF-8 text"):
        read_trained_networks(Path(tmp_path / "binary.csv"), SPACE)
