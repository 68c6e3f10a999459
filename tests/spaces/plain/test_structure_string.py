"""Structure strings: what is read is what was written, and nothing else passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.errors import ArchitectureError
from fbsearch.spaces import build_structure, read_structure
from fbsearch.spaces.plain.kinds import KINDS
from fbsearch.spaces.plain.networks import structure_of
from fbsearch.spaces.plain.structure_string import is_structure_string, write_structure
from fbsearch.spaces.plain.super_block import SuperBlock
from tests.spaces.plain.zennets import ZENNETS

WIDTHS = st.integers(1, 64).map(lambda steps: 8 * steps)


@st.composite
def structures(draw: st.DrawFn, *, widths: st.SearchStrategy[int] = WIDTHS) -> tuple[SuperBlock, ...]:
    """Any chain of super-blocks."""
    blocks: list[SuperBlock] = []
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5)):
        block = SuperBlock(
            kind,
            in_channels=blocks[-1].out_channels if blocks else draw(st.integers(1, 4)),
            out_channels=draw(widths),
            stride=draw(st.sampled_from([1, 2])),
            bottleneck=draw(widths) if kind.has_bottleneck else 0,
            sub_layers=draw(st.integers(1, 7)),
        )
        blocks.append(block)
    return tuple(blocks)


@given(structures(widths=st.integers(1, 10**9 - 1)))
def test_what_is_written_is_read(blocks: tuple[SuperBlock, ...]) -> None:
    text = write_structure(blocks)
    assert is_structure_string(text)
    assert read_structure(text) == blocks


@given(structures(), st.booleans())
def test_a_network_gives_its_structure_back(blocks: tuple[SuperBlock, ...], gated: bool) -> None:
    architecture = build_structure(blocks, resolution=16, num_classes=3, gated=gated)
    assert structure_of(architecture) == blocks
    assert architecture.num_classes == 3 and architecture.in_channels == blocks[0].in_channels


@given(st.text(max_size=60) | st.text("SuperConvK3BNRELU(),18 ", max_size=60))
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    try:
        assert "".join(text.split()) == write_structure(read_structure(text))
    except ArchitectureError as error:
        assert "\n" not in str(error)


@given(st.sampled_from(sorted(ZENNETS)), st.data())
def test_a_corrupted_string_reads_as_it_says_or_is_refused(name: str, data: st.DataObject) -> None:
    text = ZENNETS[name].structure
    place, cut = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, 3))
    corrupted = text[:place] + data.draw(st.text(max_size=3)) + text[place + cut :]
    try:
        blocks = read_structure(corrupted)
    except ArchitectureError as error:
        assert len(str(error)) < 700
    else:
        assert read_structure(write_structure(blocks)) == blocks


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no super-block; write such as 'SuperConvK3BNRELU"),
        ("SuperConvK3BNRELU(3,8,1,1)x", "'x' is no super-block"),
        ("SuperConvK3BNRELU(3,8,1,1" + "0" * 9000, "is no super-block"),
        ("SuperConvK3BNRELU(3,8,1,1)" * 1000, "26,000 characters: 20,000 are allowed"),
        ("SuperConvK1BNRELU(8,8,1,1)" * 301, "up to 300 super-blocks"),
        ("SuperConvK1BNRELU(8,8,1,600)" * 2, "of together 1,000 sub_layers"),
        ("SuperConvK1BNRELU(8,8,1,1001)", "sub_layers must lie between 1 and 1,000, not 1001"),
        ("SuperConvK1BNRELU(8,8,1,0)", "not 0"),
        ("SuperConvK9BNRELU(8,8,1,1)", "no super-block 'SuperConvK9BNRELU'; known are SuperConvK1BNRELU"),
        ("SuperResK3K5(8,8,1,8,1)", "no super-block"),
        ("SuperResK3K3(8,8,1,8)", "must be SuperResK3K3(in,out,stride,bottleneck,sub_layers)"),
        ("SuperConvK3BNRELU(8,8,1,8,1)", "must be SuperConvK3BNRELU(in,out,stride,sub_layers)"),
        ("SuperConvK3BNRELU(8,,1,1)", "must be"),
        ("SuperConvK3BNRELU(8,1 6,1,1)", "must be"),
        ("SuperConvK3BNRELU(3,\u0668,1,1)", "is no super-block"),
        ("SuperConvK3BNRELU(3,-8,1,1)", "is no super-block"),
        ("SuperConvK3BNRELU(3,12345678901,1,1)", "numbers may go up to 999,999,999"),
        ("SuperConvK3BNRELU(3,0,1,1)", "channels must lie between"),
        ("SuperResK3K3(3,8,1,0,1)", "channels must lie between"),
        ("SuperConvK3BNRELU(3,8,3,1)", "stride must be 1 or 2, not 3"),
        ("SuperConvK3BNRELU(3,8,1,1)SuperConvK3BNRELU(9,8,1,1)", "gives other channels than"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(ArchitectureError) as error:
        read_structure(text)
    assert words in str(error.value)


def test_networks_too_large_to_build_are_refused() -> None:
    for text in (
        "SuperConvK7BNRELU(3,999999999,2,1)",
        "SuperConvK7BNRELU(3,9999,2,1)SuperConvK7BNRELU(9999,9999,1,900)",
    ):
        with pytest.raises(ArchitectureError, match="GiB"):
            build_structure(read_structure(text), resolution=32, num_classes=10)
