"""Super-blocks as networks: the published ones have their published counts."""

from __future__ import annotations

import pytest

from fbsearch.architecture import Architecture, Operator
from fbsearch.architecture.operators import ZenBlock, ZenInverted
from fbsearch.costs import count_architecture
from fbsearch.errors import ArchitectureError
from fbsearch.spaces import (
    Space,
    find_structure,
    load_definition,
    load_space,
    named_architecture,
    parse_definition,
    read_structure,
)
from fbsearch.spaces.plain import PlainSpace
from fbsearch.spaces.plain.networks import build_structure, structure_of
from tests.spaces.plain.zennets import ZENNETS, ZenNet


@pytest.fixture(params=ZENNETS, ids=str)
def zennet(request: pytest.FixtureRequest) -> ZenNet:
    return ZENNETS[request.param]


def blocks_of(text: str, *, gated: bool = False) -> list[ZenBlock]:
    architecture = build_structure(read_structure(text), resolution=8, num_classes=2, gated=gated)
    return [op for op in architecture.operators() if isinstance(op, ZenBlock)]


def test_counts_are_the_published_ones(zennet: ZenNet) -> None:
    counts = count_architecture(zennet.build())
    assert counts.num_params == pytest.approx(zennet.num_params, rel=0.001)
    assert counts.num_macs == pytest.approx(zennet.num_macs, rel=0.005)


HALVING_STEM = """
    SuperConvK3BNRELU(3,32,2,1)SuperResK3K3(32,64,2,32,1)SuperResK3K3(64,128,2,64,1)
    SuperResK3K3(128,256,2,128,1)SuperResK3K3(256,512,2,256,1)SuperConvK1BNRELU(512,512,1,1)"""


def wide_space() -> Space:
    """With a stem that halves the resolution, and wider heads."""
    fields = load_definition("zen_cifar", resolution=224, num_classes=1000).model_dump()
    changes = {"initial": HALVING_STEM, "widths": {"max": 2400}}
    return parse_definition(fields | changes, source="test").build()


SPACES = {
    "cifar_05M": load_space("zen_cifar"),
    "cifar_1M": load_space("zen_cifar"),
    "cifar_2M": load_space("zen_cifar", max_layers=20),
    "imagenet_400M": load_space("zen_imagenet"),
    "imagenet_600M": load_space("zen_imagenet"),
    "imagenet_0.1ms": wide_space(),
}


@pytest.mark.parametrize("name", ZENNETS)
def test_published_networks_lie_in_their_space_and_come_back(name: str) -> None:
    zennet, space = ZENNETS[name], SPACES[name]
    assert isinstance(space, PlainSpace)
    architecture = zennet.build()
    assert find_structure(architecture) == zennet.structure
    assert space.structure(space.encode(architecture)) == zennet.structure


def test_gates_leave_the_structure_and_add_weights(zennet: ZenNet) -> None:
    gated, plain = zennet.build(gated=True), zennet.build()
    assert structure_of(gated) == structure_of(plain)
    assert sum(op.num_weights for op in gated.operators()) > sum(op.num_weights for op in plain.operators())


def test_only_a_super_blocks_first_block_is_projected_where_the_shape_stays() -> None:
    for text, num_blocks in (
        ("SuperResK3K3(8,8,1,16,3)", 3),
        ("SuperResK1K5K1(8,8,1,16,3)", 6),
        ("SuperResIDWE2K3(8,8,1,8,3)", 6),
    ):
        assert [op.has_projection for op in blocks_of(text)] == [True] + [False] * (num_blocks - 1)


def test_inverted_blocks_give_the_bottleneck_then_the_output() -> None:
    first, second, third, _ = blocks_of("SuperResIDWE4K7(24,40,2,16,2)")
    assert (first.out_channels, first.hidden, first.stride) == (16, 64, 2)
    assert (second.in_channels, second.out_channels, second.hidden, second.stride) == (16, 40, 160, 1)
    assert (third.in_channels, third.out_channels, third.has_projection) == (40, 16, True)
    assert all(isinstance(op, ZenInverted) and op.kernel == 7 for op in (first, second, third))


def test_stem_and_head_are_the_convolutions_at_the_ends() -> None:
    architecture = ZENNETS["cifar_05M"].build()
    names = [node.name for node in architecture.nodes]
    assert names[:2] == ["stem/0", "blocks/0/0"] and names[-3:] == ["blocks/4/1", "head/0", "head/1"]
    plain = build_structure(
        read_structure("SuperConvK3BNRELU(3,8,1,2)SuperConvK3BNRELU(8,16,2,1)"), resolution=8, num_classes=2
    )
    assert [node.name for node in plain.nodes] == ["stem/0", "stem/1", "head/0", "head/1"]


def test_other_architectures_have_no_structure() -> None:
    changed = [Operator.from_key("conv_k3_s1_relu_c3-8_r8"), Operator.from_key("basic_k3_s1_c8-8_r8")]
    other = {"stem": changed[:1], "blocks/0": changed[1:], "head": [Operator.from_key("classifier_c8-2_r8")]}
    for architecture in (named_architecture("fbnet_a"), Architecture.chain("other", other)):
        assert find_structure(architecture) is None
        with pytest.raises(ArchitectureError, match=r"no super-block|no chain of super-blocks"):
            structure_of(architecture)
    alone = Architecture.chain("alone", {"head": [Operator.from_key("classifier_c8-2_r8")]})
    assert find_structure(alone) is None
