"""The operator as a value and as a key."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fbsearch.architecture import ACTIVATIONS, MAX_SIZE, Operator
from fbsearch.errors import ArchitectureError

sizes = st.integers(1, 2048)
shares = st.integers(1, 10_000).map(lambda n: n / 10_000)


@st.composite
def operators(draw: st.DrawFn) -> Operator:
    """Any operator that can be built."""
    kind = draw(st.sampled_from(["conv", "mbconv", "skip", "classifier"]))
    fields: dict[str, Any] = {"kind": kind, "resolution": draw(sizes)}
    groups = draw(st.sampled_from([1, 1, 2, 3, 8])) if kind in ("conv", "mbconv") else 1
    fields |= {"in_channels": draw(sizes) * groups, "out_channels": draw(sizes) * groups, "groups": groups}
    if kind != "classifier":
        fields["stride"] = draw(st.sampled_from([1, 2]))
    if kind in ("conv", "mbconv"):
        fields["kernel"] = 2 * draw(st.integers(0, 8)) + 1
        fields["activation"] = draw(st.sampled_from(ACTIVATIONS))
    if kind == "mbconv":
        fields["expansion"] = draw(st.integers(1, 12))
        fields["squeeze_excite"] = draw(st.just(0.0) | shares)
        fields["full_expand"] = draw(st.booleans()) if fields["expansion"] == 1 else False
    return Operator(**fields)


@given(operators())
def test_a_key_parses_to_its_operator(op: Operator) -> None:
    assert Operator.from_key(op.key) == op
    assert str(op) == op.key


@given(operators(), operators())
def test_keys_tell_operators_apart(a: Operator, b: Operator) -> None:
    assert (a.key == b.key) == (a == b)


@given(operators(), st.data())
def test_a_changed_field_changes_the_key(op: Operator, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["in_channels", "out_channels", "resolution", "kernel", "expansion"]))
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


GOOD: dict[str, Any] = {"kind": "mbconv", "in_channels": 8, "out_channels": 8, "resolution": 8, "kernel": 3}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "pool"}, "kind must be one of conv, mbconv, skip, classifier"),
        ({"activation": "tanh"}, "activation must be one of"),
        ({"in_channels": 0}, "in_channels"),
        ({"resolution": MAX_SIZE + 1}, "resolution"),
        ({"stride": 3}, "stride must be 1 or 2"),
        ({"kernel": 4}, "kernel must be odd"),
        ({"squeeze_excite": -0.1}, "squeeze_excite must lie"),
        ({"squeeze_excite": float("nan")}, "squeeze_excite must lie"),
        ({"squeeze_excite": 1 / 3}, "four decimals"),
        ({"groups": 3}, "groups=3 must divide"),
        ({"full_expand": True, "expansion": 3}, "full_expand has no meaning"),
        ({"kind": "skip"}, "kernel has no meaning for a skip"),
        ({"kind": "conv", "expansion": 6}, "expansion has no meaning for a conv"),
        ({"kind": "conv", "squeeze_excite": 0.25}, "squeeze_excite has no meaning for a conv"),
        ({"kind": "classifier", "kernel": 1, "stride": 2}, "stride has no meaning for a classifier"),
        ({"kind": "classifier", "kernel": 1, "activation": "relu"}, "activation has no meaning"),
    ],
)
def test_what_cannot_be_built_is_refused(changes: dict[str, Any], words: str) -> None:
    Operator(**GOOD)
    with pytest.raises(ArchitectureError, match=words):
        Operator(**{**GOOD, **changes})


def test_what_follows_from_the_fields() -> None:
    block = Operator("mbconv", 16, 16, 15, kernel=3, expansion=6, activation="relu")
    assert block.has_residual and block.has_expand
    assert block.hidden_channels == 96
    assert not dataclasses.replace(block, stride=2).has_residual
    assert dataclasses.replace(block, stride=2).output_resolution == 8
    assert not dataclasses.replace(block, expansion=1).has_expand
    assert dataclasses.replace(block, expansion=1, full_expand=True).has_expand
    assert Operator("skip", 16, 16, 8).is_identity
    assert not Operator("skip", 16, 16, 8, stride=2).is_identity
    assert not Operator("skip", 16, 24, 8).is_identity
    assert Operator("classifier", 16, 10, 7).output_resolution == 1
