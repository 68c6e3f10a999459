"""Plain spaces: what their definitions allow, and what their codes say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fbsearch.architecture.operators import ZenBlock
from fbsearch.errors import SpaceError
from fbsearch.spaces import load_space, parse_definition
from fbsearch.spaces.plain import PlainSpace, read_structure
from fbsearch.spaces.plain.kinds import KINDS

INITIAL = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,2)SuperConvK1BNRELU(16,32,1,1)"


def plain(**changes: Any) -> PlainSpace:
    """A small space."""
    fields = {
        "name": "small", "kind": "plain", "resolution": 8, "num_classes": 2, "initial": INITIAL,
        "families": ["basic", "inverted"], "kernels": [3, 5], "expansions": [2], "widths": {"max": 64},
        "max_layers": 8,
    }  # fmt: skip
    space = parse_definition(fields | changes, source="test").build()
    assert isinstance(space, PlainSpace)
    return space


def code(space: PlainSpace, text: str) -> tuple[int, ...]:
    return space.code_of(read_structure(text))


def test_a_code_is_five_numbers_for_each_super_block() -> None:
    space = plain()
    names = [kind.name for kind in KINDS]
    assert space.code_of(space.initial) == (
        names.index("SuperConvK3BNRELU"), 8, 0, 1, 1,
        names.index("SuperResK3K3"), 16, 8, 2, 2,
        names.index("SuperConvK1BNRELU"), 32, 0, 1, 1,
    )  # fmt: skip
    assert space.structure(space.code_of(space.initial)) == INITIAL
    assert space.num_layers(space.code_of(space.initial)) == 4


def test_the_kinds_of_codes_keep_their_numbers() -> None:
    """Codes stand in files: a new kind goes to the end."""
    assert [kind.name for kind in KINDS][:11] == [
        *(f"SuperConvK{kernel}BNRELU" for kernel in (1, 3, 5, 7)),
        *(f"SuperResK{kernel}K{kernel}" for kernel in (3, 5, 7)),
        *(f"SuperResK1K{kernel}K1" for kernel in (3, 5, 7)),
        "SuperResIDWE1K3",
    ]
    assert len(KINDS) == 22


def test_the_image_has_the_channels_of_the_definition() -> None:
    space = plain(in_channels=1)
    assert space.input.channels == 1
    assert space.decode(space.sample(np.random.default_rng(0))).in_channels == 1


def test_gates_are_in_every_block_or_in_none() -> None:
    for gated in (False, True):
        architecture = plain(squeeze_excite=gated).decode(plain().code_of(plain().initial))
        assert {op.gated for op in architecture.operators() if isinstance(op, ZenBlock)} == {gated}
    with pytest.raises(SpaceError, match="other gates"):
        plain().encode(architecture)


def test_fingerprints_go_by_what_may_be_chosen() -> None:
    first = plain().fingerprint
    wider = INITIAL.replace("2,8,2)", "2,24,1)")
    for same in ({"name": "other"}, {"sampler": "uniform"}, {"mutation": "paper"}, {"initial": wider}):
        assert plain(**same).fingerprint == first
    split = INITIAL.replace("SuperConvK1", "SuperResK3K3(16,16,1,8,1)SuperConvK1")
    for other in (
        {"max_layers": 9}, {"kernels": [3]}, {"families": ["basic"]}, {"widths": {"max": 72}},
        {"squeeze_excite": True}, {"fixed_head": True}, {"resolution": 9}, {"num_classes": 3},
        {"initial": split}, {"initial": INITIAL.replace("8,16,2", "8,16,1")},
    ):  # fmt: skip
        assert plain(**other).fingerprint != first, other
    head = INITIAL.replace("16,32,1", "16,40,1")
    assert plain(fixed_head=True).fingerprint != plain(fixed_head=True, initial=head).fingerprint


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"initial": "SuperFoo(3,8,1,1)"},
            "initial: Value error, structure string: no super-block 'SuperFoo'",
        ),
        ({"initial": INITIAL.replace("K3K3", "K7K7")}, "SuperResK7K7.*kinds of this space are SuperResK3K3"),
        ({"initial": INITIAL.replace("2,8,2)", "2,9,2)")}, "widths are multiples of 8 from 8 to 64"),
        ({"initial": INITIAL.replace("2,8,2)", "2,8,9)")}, "11 layers; 8 are allowed"),
        ({"families": []}, "families"),
        ({"families": ["basic", "basic"]}, "a value stands twice"),
        ({"families": ["other"]}, "families.0"),
        ({"kernels": [4]}, "kernels.0"),
        ({"expansions": [3]}, "expansions.0"),
        ({"widths": {"min": 4}}, "must be multiples of 8"),
        ({"widths": {"min": 64, "max": 32}}, "min no more than max"),
        ({"max_layers": 0}, "max_layers"),
        ({"max_layers": 1001}, "max_layers"),
        ({"sampler": "other"}, "sampler"),
        ({"mutation": "other"}, "mutation"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_definitions_that_do_not_fit_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpaceError, match=words) as error:
        plain(**changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "a code of 0 numbers"),
        ((1, 8, 0, 1), "a code of 4 numbers"),
        ((99, 8, 0, 1, 1), "kind 99: allowed are 0 to 21"),
        ((-1, 8, 0, 1, 1), "kind -1"),
        ((1, 8, 8, 1, 1), "SuperConvK3BNRELU has no bottleneck"),
        ((1, 8, 0, 1, 3), "stride must be 1 or 2"),
        ((4, 8, 10**12, 1, 1), "channels must lie between"),
        ((1, 8, 0, 10**12, 1), "sub_layers must lie between"),
        ((1, 8, 0, 1, 1), "has not the convolutions and strides of"),
    ],
)
def test_codes_outside_are_refused(given: tuple[int, ...], words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        plain().decode(given)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (INITIAL.replace("8,16,2", "8,16,1"), "has not the convolutions and strides"),
        (INITIAL.replace("K3BNRELU(3,8,1,1)", "K3BNRELU(3,8,1,2)"), "has not the convolutions and strides"),
        ("SuperResK3K3(3,3,1,8,1)" + INITIAL, "has not the convolutions and strides"),
        (INITIAL.replace("2,8,2)", "2,8,7)"), "9 layers; 8 are allowed"),
        (INITIAL.replace("8,16,2,8", "8,16,2,72"), "widths are multiples of 8"),
        (INITIAL.replace("K3K3", "IDWE4K3"), "kinds of this space are"),
        (INITIAL.replace("16,32,1,1", "16,40,1,1"), "the head keeps its 32 channels"),
    ],
)
def test_structures_outside_are_refused(text: str, words: str) -> None:
    space = plain(fixed_head=True)
    with pytest.raises(SpaceError, match=words):
        space.decode(code(space, text))


def test_a_deep_super_block_may_come_in_two_where_there_was_one() -> None:
    space = plain()
    text = INITIAL.replace("SuperConvK1", "SuperResIDWE2K5(16,16,1,8,3)SuperConvK1")
    assert space.structure(space.code_of(read_structure(text))) == text
    assert space.encode(space.decode(code(space, text))) == code(space, text)


def test_a_space_without_anything_to_change_says_so() -> None:
    initial = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,8,1,8,1)SuperConvK1BNRELU(8,8,1,1)"
    only = plain(families=["basic"], kernels=[3], widths={"min": 8, "max": 8}, max_layers=3, initial=initial)
    with pytest.raises(SpaceError, match="widen them"):
        only.mutate(only.code_of(only.initial), np.random.default_rng(0))


def test_presets_begin_where_the_released_search_does() -> None:
    cifar, imagenet = load_space("zen_cifar"), load_space("zen_imagenet")
    assert isinstance(cifar, PlainSpace) and isinstance(imagenet, PlainSpace)
    assert (cifar.bounds.max_layers, imagenet.bounds.max_layers) == (18, 14)
    for space in (cifar, imagenet):
        assert space.size is None and space.operators() is None
        assert all(space.num_layers(space.sample(np.random.default_rng(i))) <= 18 for i in range(20))
