"""Spaces as people write them: what YAML means, and how it is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fbsearch.architecture import Architecture
from fbsearch.errors import SpaceError
from fbsearch.spaces import (
    FactoredSpace,
    LayerwiseDefinition,
    PlainDefinition,
    choose_stack,
    load_definition,
    load_space,
    parse_definition,
    parse_genotype,
    preset_names,
    stack_cells,
)
from fbsearch.spaces.cell_definition import CellDefinition, EdgeDefinition
from fbsearch.spaces.cells import CellHead, CellsDefinition, CellStem
from fbsearch.spaces.genotypes.files import LAST_FIRST
from fbsearch.spaces.layer_candidates import CandidateDefinition
from fbsearch.spaces.layerwise import (
    HeadDefinition,
    StageDefinition,
    StemDefinition,
)
from fbsearch.spaces.plain.definition import WidthBounds
from tests.spaces.cells import DARTS_OPS, cell_space
from tests.spaces.chains import operators_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "spaces.md"


def definition(**changes: Any) -> dict[str, Any]:
    return {
        "name": "mine", "resolution": 32, "num_classes": 5, "stem": {"channels": 8, "stride": 1},
        "stages": [{"channels": 16, "layers": 2, "stride": 2}], "candidates": ["k3_e3", "skip"], **changes,
    }  # fmt: skip


def build(**changes: Any) -> Any:
    return parse_definition(definition(**changes), source="mine.yaml").build()


def first_of(space: FactoredSpace) -> Architecture:
    return space.decode((0,) * len(space.decisions))


def test_stages_become_decisions() -> None:
    space = build()
    first, second = space.decisions
    assert first.names == second.names == ("k3_e3", "skip")
    assert [op.key for op in operators_of(first)] == [
        "mbconv_k3_e3_s2_relu_c8-16_r32", "skip_s2_c8-16_r32",
    ]  # fmt: skip
    assert second.candidates[1].is_identity
    assert [op.key for op in first_of(space).group("head")] == ["classifier_c16-5_r16"]


@pytest.mark.parametrize(
    ("short", "name", "key"),
    [
        ("k5_e6", "k5_e6", "mbconv_k5_e6_s1_relu_c16-16_r16"),
        ("k3", "k3_e1", "mbconv_k3_e1_s1_relu_c16-16_r16"),
        ("mbconv_k3_e1_g2", "k3_e1_g2", "mbconv_k3_e1_g2_s1_relu_c16-16_r16"),
        ("k3_e3_se0.25_hswish", "k3_e3_se0.25_hswish", "mbconv_k3_e3_s1_se0.25_hswish_c16-16_r16"),
        ("conv_k3", "conv_k3", "conv_k3_s1_relu_c16-16_r16"),
        ("skip", "skip", "skip_s1_c16-16_r16"),
        ({"kernel": 7, "expansion": 2}, "k7_e2", "mbconv_k7_e2_s1_relu_c16-16_r16"),
        ({"kind": "conv", "kernel": 1, "groups": 4}, "conv_k1_g4", "conv_k1_g4_s1_relu_c16-16_r16"),
    ],
)
def test_candidates_have_a_short_form_and_a_long_one(short: Any, name: str, key: str) -> None:
    slot = build(candidates=[short, "k3_e9"]).decisions[1]
    assert slot.names[0] == name
    assert operators_of(slot)[0].key == key


def test_a_stage_may_have_candidates_of_its_own() -> None:
    stages = [{"channels": 8, "layers": 1, "candidates": ["conv_k3"]}, {"channels": 8, "layers": 1}]
    assert [slot.names for slot in build(stages=stages).decisions] == [("conv_k3",), ("k3_e3", "skip")]


def test_skip_may_be_omitted_where_the_shape_changes() -> None:
    first, second = build(skip_across_shapes="omit").decisions
    assert first.names == ("k3_e3",)
    assert second.names == ("k3_e3", "skip")


def test_expansion_1_may_keep_its_first_convolution() -> None:
    assert operators_of(build(candidates=["k3_e1"], expand_expansion_1=True).decisions[1])[0].has_expand
    assert not operators_of(build(candidates=["k3_e1"]).decisions[1])[0].has_expand


@pytest.mark.parametrize(
    ("multiplier", "widths"),
    [(1.0, [8, 16]), (0.5, [8, 8]), (1.4, [16, 24]), (2.0, [16, 32]), (0.01, [8, 8])],
)
def test_the_multiplier_rounds_to_eights(multiplier: float, widths: list[int]) -> None:
    space = build(width_multiplier=multiplier)
    assert [op.out_channels for op in list(first_of(space).operators())[:2]] == widths


def test_the_multiplier_widens_the_head_but_never_narrows_it() -> None:
    spaces = [build(width_multiplier=m, head={"channels": 100}) for m in (0.5, 1.0, 2.0)]
    heads = [first_of(space).group("head")[0].out_channels for space in spaces]
    assert heads == [100, 100, 200]


def test_overrides_replace_fields() -> None:
    space = load_space("digits", num_classes=3, head_channels=32, resolution=None)
    assert (space.num_classes, first_of(space).group("head")[0].out_channels, space.input.resolution) == (
        3,
        32,
        16,
    )
    with pytest.raises(SpaceError, match="colour"):
        load_definition("digits", colour="red")


@pytest.mark.parametrize("name", preset_names())
def test_presets_load(name: str) -> None:
    assert load_space(name).name == name


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "../up"}, "name"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"resolution": 0}, "resolution"),
        ({"resolution": 31.5}, "resolution"),
        ({"resolution": "224"}, "resolution"),
        ({"resolution": True}, "resolution"),
        ({"resolution": 10**12}, "resolution"),
        ({"resolution": None}, "resolution"),
        ({"in_channels": -3}, "in_channels"),
        ({"num_classes": 1}, "num_classes"),
        ({"activation": "tanh"}, "activation"),
        ({"width_multiplier": 0}, "width_multiplier"),
        ({"width_multiplier": float("inf")}, "width_multiplier"),
        ({"width_multiplier": float("nan")}, "width_multiplier"),
        ({"expand_expansion_1": "perhaps"}, "expand_expansion_1"),
        ({"skip_across_shapes": "drop"}, "skip_across_shapes"),
        ({"colour": "red"}, "colour"),
        ({7: 8}, "7"),
        ({"stem": [16]}, "stem"),
        ({"stem": {"channels": 0}}, "stem.channels"),
        ({"stem": {"stride": 4}}, "stem.stride"),
        ({"stem": {"kernel": 4}}, "kernel must be odd"),
        ({"stages": []}, "stages"),
        ({"stages": {"channels": 8}}, "stages"),
        ({"stages": [8]}, "stages.0"),
        ({"stages": [{"layers": 2}]}, "stages.0.channels"),
        ({"stages": [{"channels": 8}]}, "stages.0.layers"),
        ({"stages": [{"channels": 8, "layers": 0}]}, "stages.0.layers"),
        ({"stages": [{"channels": 8, "layers": 10**9}]}, "stages.0.layers"),
        ({"stages": [{"channels": 8, "layers": 1, "stride": 3}]}, "stages.0.stride"),
        ({"stages": [{"channels": 8, "layers": 1, "repeat": 3}]}, "stages.0.repeat"),
        ({"stages": [{"channels": 8, "layers": 1, "candidates": []}]}, "stages.0.candidates"),
        ({"stages": [{"channels": 8, "layers": 1, "candidates": ["k3_e3", "?"]}]}, "stages.0.candidates.1"),
        ({"candidates": "k3_e3"}, "candidates"),
        ({"candidates": ["k3e3"]}, "candidates.0"),
        ({"candidates": ["k" + "9" * 5000]}, "candidates.0"),
        ({"candidates": [3]}, "candidates.0"),
        ({"candidates": [None]}, "candidates.0"),
        ({"candidates": [{"kernel": "three"}]}, "candidates.0.kernel"),
        ({"candidates": [{"kernel": 3, "size": 3}]}, "candidates.0.size"),
        ({"candidates": [{"kind": "skip", "kernel": 5}]}, "candidates.0"),
        ({"candidates": ["k4_e3"]}, "kernel must be odd"),
        ({"candidates": ["k3_e3_se2"]}, "candidates.0.squeeze_excite"),
        ({"candidates": ["conv_k3_e6"]}, "expansion has no meaning"),
        ({"candidates": ["k3_e1_g3"]}, "groups=3 must divide"),
        ({"candidates": ["k3_e3", "k3_e3_relu"]}, "twice"),
        ({"candidates": []}, "no candidates"),
        ({"candidates": ["skip"], "skip_across_shapes": "omit"}, "no candidates"),
        ({"width_multiplier": 1e308}, "width_multiplier"),
        ({"resolution": 999_999_999}, "feature maps would take 40,978,193,201 GiB"),
        ({"num_classes": 999_999_999}, "its weights and feature maps would take 63 GiB"),
        ({"stages": [{"channels": 8, "layers": 600}] * 2}, "the stages have 1,200 layers; 1,000 are allowed"),
        ({"stages": [{"channels": 8, "layers": 1000, "candidates": ["skip"] * 51}]}, "51,000 candidates in"),
        ({"head": 128}, "head"),
        ({"head": {"channels": -1}}, "head.channels"),
        ({"head": {"channels": 8, "activation": "gelu"}}, "head.activation"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str) -> None:
    build()
    with pytest.raises(SpaceError, match=re.escape(field)) as caught:
        build(**changes) if all(isinstance(key, str) for key in changes) else parse_definition(
            {**definition(), **changes}, source="mine.yaml"
        )
    assert "mine" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff\xfe\x00", b"- a\n- b\n", b"just text", b"name: [", b"a: b: c", b"\t", b"[" * 2000,
        b"name: 2020-13-45", b"? [1]\n: 2", b"name: !!python/object/apply:os.getcwd []", b"{}",
        b"resolution: " + b"9" * 5000, b"name: x\nname: y\n",
    ],
)  # fmt: skip
def test_a_file_that_is_no_space_is_one_line_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(SpaceError, match=r"mine\.yaml") as caught:
        load_space(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_space_names_the_presets(tmp_path: Path) -> None:
    for source in ("fbnett", str(tmp_path)):
        with pytest.raises(SpaceError, match=", ".join(preset_names())):
            load_space(source)


def test_a_wrong_head_is_named_even_under_an_override(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(definition(head=[1])))
    with pytest.raises(SpaceError, match="head"):
        load_space(str(path), head_channels=64)


def test_the_documented_examples_load_and_hold_what_they_say(tmp_path: Path) -> None:
    text = DOCUMENT.read_text("utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    spaces = []
    for index, block in enumerate(blocks):
        path = tmp_path / f"{index}.yaml"
        path.write_text(block)
        spaces.append(load_space(str(path)))
    assert [space.name for space in spaces] == ["my_space", "tiny", "my_cells", "my_plain"]
    assert f"# {len(spaces[0].decisions)} {spaces[0].size}" in text


def test_the_documented_genotype_and_its_space_are_what_they_say() -> None:
    text = DOCUMENT.read_text("utf-8")
    [block] = re.findall(r"```json\n(.*?)```", text, flags=re.DOTALL)
    genotype = parse_genotype(json.loads(block), source="docs")
    architecture = stack_cells(genotype, choose_stack(genotype))
    assert (architecture.resolution, architecture.num_classes) == (32, 10)
    assert f"`{LAST_FIRST}`" in text
    [code] = [one for one in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL) if "every_edge" in one]
    names: dict[str, Any] = {}
    exec(code, names)
    assert f"# {len(names['space'].decisions)}:" in code


def test_every_field_is_documented() -> None:
    text = DOCUMENT.read_text("utf-8")
    for model in (
        CellsDefinition,
        CellDefinition,
        EdgeDefinition,
        CellStem,
        CellHead,
        LayerwiseDefinition,
        PlainDefinition,
        WidthBounds,
        StemDefinition,
        StageDefinition,
        HeadDefinition,
        CandidateDefinition,
    ):
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}`" in text, f"{model.__name__}.{name}"


def test_cells_that_would_take_minutes_to_write_out_are_refused() -> None:
    with pytest.raises(SpaceError, match="62,790 candidates in all places together; 50,000 are allowed"):
        cell_space(stages=20, nodes=20, ops=[*DARTS_OPS, "conv_1x1", "conv_3x3"])
