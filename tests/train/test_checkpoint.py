"""State in a file and back."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from fbsearch.errors import CheckpointError
from fbsearch.train import load_state, save_state

plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**64, max_value=2**200)
    | st.floats(allow_nan=False)
    | st.text()
)
nested = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=50, deadline=None)
@given(state=st.dictionaries(st.text(), nested, max_size=3))
def test_values_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, state: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("state") / "s.safetensors"
    save_state(path, state)
    loaded = load_state(path)
    assert loaded == state
    assert repr(loaded) == repr(state)  # 1 and True and 1.0 are equal, but not alike


def test_nan_and_infinities(tmp_path: Path) -> None:
    save_state(tmp_path / "s", {"values": [math.nan, math.inf, -math.inf]})
    values = load_state(tmp_path / "s")["values"]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4, 5)])
def test_tensors_keep_values_and_kind(tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = torch.randint(0, 2, shape).to(dtype)
    save_state(tmp_path / "s", {"tensor": tensor})
    loaded = load_state(tmp_path / "s")["tensor"]
    assert loaded.dtype == dtype
    assert torch.equal(loaded, tensor)


def test_tensors_keep_their_memory_format(tmp_path: Path) -> None:
    tensor = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    save_state(tmp_path / "s", {"tensor": tensor})
    loaded = load_state(tmp_path / "s")["tensor"]
    assert torch.equal(loaded, tensor)
    assert loaded.stride() == tensor.stride()


def test_an_optimiser_comes_back(tmp_path: Path) -> None:
    weights = torch.nn.Parameter(torch.randn(3, 2))
    optimizer = torch.optim.AdamW([weights], lr=0.1)
    weights.grad = torch.randn(3, 2)
    optimizer.step()
    save_state(tmp_path / "s", optimizer.state_dict())
    other = torch.optim.AdamW([weights], lr=0.5)
    other.load_state_dict(load_state(tmp_path / "s"))
    assert other.param_groups[0]["lr"] == 0.1
    for key, value in optimizer.state[weights].items():
        assert torch.equal(other.state[weights][key], value)


def test_shared_memory_is_written_once_per_name(tmp_path: Path) -> None:
    tensor = torch.arange(4.0)
    save_state(tmp_path / "s", {"whole": tensor, "part": tensor[:2], "again": tensor})
    loaded = load_state(tmp_path / "s")
    assert loaded["part"].tolist() == [0, 1]
    assert torch.equal(loaded["again"], tensor)


@pytest.mark.parametrize("value", [object(), {1.5: 1}, {True: 1}, b"bytes", {1, 2}])
def test_other_values_are_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError, match="a checkpoint"):
        save_state(tmp_path / "s", {"value": value})
    assert not (tmp_path / "s").exists()


def test_damage_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save_state(path, {"weights": torch.randn(100), "epoch": 3})
    content = path.read_bytes()
    for damaged in (content[:-8], content[:20], b"", content[:-4] + b"\x01\x02\x03\x04", b"x" + content[1:]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"s\.safetensors") as caught:
            load_state(path)
        assert "\n" not in str(caught.value)


def test_a_flipped_bit_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    save_state(path, {"weights": torch.randn(3), "rows": [{"loss": 0.5}]})
    content = path.read_bytes()
    state = load_state(path)
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        try:
            loaded = load_state(path)
        except CheckpointError:
            continue
        raise AssertionError(f"byte {position} changed {state} to {loaded}")


def test_a_missing_file_and_another_format(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read"):
        load_state(tmp_path / "nothing")
    save_file({"x": torch.zeros(2)}, tmp_path / "weights.safetensors")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_state(tmp_path / "weights.safetensors")
