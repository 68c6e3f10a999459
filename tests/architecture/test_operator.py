"""The operator as a value and as a key."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fbsearch.architecture import ACTIVATIONS, MAX_SIZE, Operator, register, registered_kinds
from fbsearch.architecture.operators import (
    Add,
    AsymConv,
    AvgPool,
    BasicBlock,
    Bottleneck,
    Classifier,
    Concat,
    Conv,
    DilConv,
    FactorisedReduce,
    MaxPool,
    MBConv,
    Relu,
    ReluConv,
    SepConv,
    Skip,
    ZenBasic,
    ZenBlock,
    Zero,
)
from fbsearch.errors import ArchitectureError

sizes = st.integers(1, 1024)
shares = st.integers(1, 10_000).map(lambda n: n / 10_000)


@st.composite
def operators(draw: st.DrawFn) -> Operator:
    """Any operator that can be built, of any registered kind."""
    kind = draw(st.sampled_from(registered_kinds()))
    names = {field.name for field in dataclasses.fields(kind)}
    groups = draw(st.sampled_from([1, 1, 2, 3, 8])) if "groups" in names else 1
    ratio = draw(st.integers(1, 4)) if "ratio" in names else 1
    drawn: dict[str, Any] = {
        "in_channels": draw(sizes) * groups,
        "out_channels": draw(sizes) * groups * ratio + 1 * (kind is FactorisedReduce),
        "resolution": draw(st.integers(1, 256)),
        "groups": groups,
        "ratio": ratio,
        "stride": draw(st.sampled_from([1, 2])),
        "kernel": 2 * draw(st.integers(0, 8)) + 1,
        "activation": draw(st.sampled_from(ACTIVATIONS)),
        "expansion": draw(st.integers(1, 12)),
        "squeeze_excite": draw(st.just(0.0) | shares),
        "dilation": draw(st.integers(1, 9)),
        "num_inputs": draw(st.integers(2, 9)),
        "hidden": draw(sizes),
        "gated": draw(st.booleans()),
    }
    drawn["projected"] = issubclass(kind, ZenBlock) and draw(st.booleans())
    if drawn["projected"]:
        drawn |= {"out_channels": drawn["in_channels"], "stride": 1}
    drawn["full_expand"] = draw(st.booleans()) if drawn["expansion"] == 1 else False
    fits = 1 < drawn["kernel"] <= drawn["resolution"]
    drawn["without_padding"] = draw(st.booleans()) if fits else False
    if kind in (AvgPool, MaxPool, Add, Relu, Zero):
        drawn["out_channels"] = drawn["in_channels"]
    if kind is Concat:
        drawn["out_channels"] = drawn["in_channels"] * drawn["num_inputs"]
    return kind(**{name: drawn[name] for name in names})


@given(operators())
def test_a_key_parses_to_its_operator(op: Operator) -> None:
    assert Operator.from_key(op.key) == op
    assert str(op) == op.key


@given(operators(), operators())
def test_keys_tell_operators_apart(a: Operator, b: Operator) -> None:
    assert (a.key == b.key) == (a == b)


@given(operators(), st.data())
def test_a_changed_field_changes_the_key(op: Operator, data: st.DataObject) -> None:
    names = [
        "in_channels",
        "out_channels",
        "resolution",
        "kernel",
        "expansion",
        "dilation",
        "num_inputs",
        "hidden",
    ]
    name = data.draw(st.sampled_from([name for name in names if hasattr(op, name)]))
    try:
        other = dataclasses.replace(op, **{name: getattr(op, name) + 2})
    except ArchitectureError:
        assume(False)
    assert other.key != op.key


@given(operators(), st.data())
def test_a_corrupted_key_gives_a_canonical_operator_or_an_error(op: Operator, data: st.DataObject) -> None:
    key = op.key
    place = data.draw(st.integers(0, len(key) - 1))
    cut = data.draw(st.integers(0, 3))
    corrupted = key[:place] + data.draw(st.text(max_size=3)) + key[place + cut :]
    try:
        assert Operator.from_key(corrupted).key == corrupted
    except ArchitectureError as error:
        assert "\n" not in str(error)


@given(st.text() | st.integers() | st.none() | st.lists(st.text()))
def test_anything_else_is_no_key(value: Any) -> None:
    with pytest.raises(ArchitectureError, match="no operator key"):
        Operator.from_key(value)


@pytest.mark.parametrize(
    "key",
    [
        "mbconv_k3_e6_s1_relu_c16-24_r" + "9" * 5000,  # more digits than Python turns into a number
        "mbconv_k\u0663_e6_s1_relu_c16-24_r8",  # a digit of another script
        "mbconv_k03_e6_s1_relu_c16-24_r8",
        "mbconv_k3_e6_s1_se.25_relu_c16-24_r8",
        "mbconv_k3_e6_s1_relu_c16-24_r8\n",
        " mbconv_k3_e6_s1_relu_c16-24_r8",
        "mbconv_k3_e6_s1_c16-24_r8",
        "mbconv_e6_k3_s1_relu_c16-24_r8",
        "skip_k3_s1_c16-16_r8",
        "pool_k3_s1_relu_c16-16_r8",
        "classifier_s1_c16-10_r8",
    ],
)
def test_keys_that_only_look_right_are_refused(key: str) -> None:
    with pytest.raises(ArchitectureError):
        Operator.from_key(key)


GOOD = MBConv(8, 8, 8, kernel=3)


@pytest.mark.parametrize(
    ("operator", "changes", "words"),
    [
        (GOOD, {"activation": "tanh"}, "activation must be one of"),
        (GOOD, {"in_channels": 0}, "in_channels"),
        (GOOD, {"resolution": MAX_SIZE + 1}, "resolution"),
        (GOOD, {"stride": 3}, "stride must be 1 or 2"),
        (GOOD, {"kernel": 4}, "kernel must be odd"),
        (GOOD, {"squeeze_excite": -0.1}, "squeeze_excite must lie"),
        (GOOD, {"squeeze_excite": float("nan")}, "squeeze_excite must lie"),
        (GOOD, {"squeeze_excite": 1 / 3}, "four decimals"),
        (GOOD, {"groups": 3}, "groups=3 must divide"),
        (GOOD, {"full_expand": True, "expansion": 3}, "full_expand has no meaning"),
        (Conv(8, 8, 8), {"groups": 3}, "groups=3 must divide"),
        (AvgPool(8, 8, 8), {"out_channels": 9}, "must have the input's 8 channels"),
        (MaxPool(8, 8, 8), {"kernel": 2}, "kernel must be odd"),
        (Add(8, 8, 8), {"num_inputs": 1}, "num_inputs must lie"),
        (Concat(8, 16, 8), {"num_inputs": 3}, "the output has 24 channels"),
        (DilConv(8, 8, 8), {"dilation": 0}, "dilation must lie"),
        (SepConv(8, 8, 8), {"dilation": 10}, "dilation must lie"),
        (Relu(8, 8, 8), {"out_channels": 9}, "must have the input's 8 channels"),
        (Conv(8, 8, 8), {"without_padding": True}, "between 3 and the resolution, not 1"),
        (Conv(8, 8, 8), {"without_padding": True, "kernel": 9}, "between 3 and the resolution, not 9"),
        (Bottleneck(8, 8, 8), {"ratio": 3}, "ratio=3 must divide"),
        (Bottleneck(8, 8, 8), {"groups": 4}, "groups=4 must divide"),
        (FactorisedReduce(8, 8, 8), {"out_channels": 1}, "at least 2 channels"),
        (ZenBasic(8, 8, 8), {"hidden": 0}, "hidden must lie between 1"),
        (ZenBasic(8, 8, 8), {"kernel": 99_999}, "would take"),
        (ZenBasic(8, 9, 8), {"projected": True}, "projected has no meaning"),
        (Zero(8, 8, 8), {"stride": 0}, "stride must be 1 or 2"),
        (Conv(8, 8, 8), {"in_channels": 10**5, "out_channels": 10**5}, "would take 37 GiB, more than the 32"),
        (Conv(8, 8, 8), {"resolution": MAX_SIZE}, "would take 59,604,644,656 GiB"),
        (Conv(8, 8, 8), {"kernel": MAX_SIZE}, "GiB that are allowed: give it fewer channels or pixels"),
        (GOOD, {"expansion": MAX_SIZE}, "would take"),
        (GOOD, {"expansion": 30_000, "squeeze_excite": 1.0}, "would take"),
        (Classifier(8, 8, 8), {"in_channels": 100_000, "out_channels": 100_000}, "would take"),
        (Skip(8, 8, 8), {"in_channels": 100_000, "out_channels": 100_001}, "would take"),
        (BasicBlock(8, 8, 8), {"kernel": 99_999}, "would take"),
        (Bottleneck(8, 8, 8), {"kernel": 99_999}, "would take"),
        (SepConv(8, 8, 8), {"kernel": 99_999}, "would take"),
        (AsymConv(8, 8, 8), {"kernel": MAX_SIZE}, "would take"),
        (DilConv(8, 8, 8), {"kernel": 99_999}, "would take"),
        (ReluConv(8, 8, 8), {"kernel": 99_999}, "would take"),
        (FactorisedReduce(8, 8, 8), {"in_channels": 100_000, "out_channels": 100_000}, "would take"),
    ],
)
def test_what_cannot_be_built_is_refused(operator: Operator, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ArchitectureError, match=words):
        dataclasses.replace(operator, **changes)


def test_a_kind_is_registered_once() -> None:
    with pytest.raises(ValueError, match="'mbconv' is MBConv already"):

        @register
        class Other(MBConv):
            """Another class of the same kind."""


@given(operators())
def test_a_block_forgets_its_place(op: Operator) -> None:
    moved = dataclasses.replace(op, resolution=op.resolution + 1)
    assert moved.block == op.block and moved.block in {op.block}
    assert op.label and "\n" not in op.label


def test_what_follows_from_the_fields() -> None:
    block = MBConv(16, 16, 15, kernel=3, expansion=6, activation="relu")
    assert block.has_residual and block.has_expand
    assert block.hidden_channels == 96
    assert not dataclasses.replace(block, stride=2).has_residual
    assert dataclasses.replace(block, stride=2).output.resolution == 8
    assert not dataclasses.replace(block, expansion=1).has_expand
    assert dataclasses.replace(block, expansion=1, full_expand=True).has_expand
    assert Skip(16, 16, 8).is_identity
    assert not Skip(16, 16, 8, stride=2).is_identity
    assert not Skip(16, 24, 8).is_identity
    assert Classifier(16, 10, 7).output.is_vector
    assert Zero(8, 8, 8).is_free and not Zero(8, 8, 8).is_identity
    assert len(Add(8, 8, 8, num_inputs=3).inputs) == 3
