"""Tensors on disk: what safetensors reads of them, and a disk that is full."""

from __future__ import annotations

import errno
import os
import stat

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from fbsearch.nn.tensor_file import save_tensors

TENSORS = {
    "z": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "names may be long and Ünïcode": torch.tensor([True, False, True]),
    "b": torch.tensor(3, dtype=torch.int64),
    "half": torch.randn(5).half(),
    "brain": torch.randn(3, 1).bfloat16(),
    "none": torch.zeros(0, 4),
    "wide": torch.randn(2, 2, dtype=torch.float64),
    "small": torch.tensor([-1, 2], dtype=torch.int8),
    "byte": torch.tensor([255], dtype=torch.uint8),
}


def test_safetensors_reads_them_as_if_it_had_written_them(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    metadata = {"format": "f", "structure": '{"a": "ä"}'}
    save_tensors(TENSORS, ours, metadata=metadata)
    save_file(TENSORS, theirs, metadata=metadata)
    first, second = load_file(ours), load_file(theirs)
    assert set(first) == set(second) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert first[name].dtype == tensor.dtype and torch.equal(first[name], tensor)
    with safe_open(ours, framework="pt") as one, safe_open(theirs, framework="pt") as other:
        assert one.metadata() == other.metadata() == metadata
        assert [one.get_slice(name).get_shape() for name in TENSORS] == [
            other.get_slice(name).get_shape() for name in TENSORS
        ]


def test_no_tensors_and_no_metadata(tmp_path):
    save_tensors({}, tmp_path / "empty")
    assert load_file(tmp_path / "empty") == {}


def test_an_unknown_type_leaves_the_old_file(tmp_path):
    path = tmp_path / "weights"
    save_tensors(TENSORS, path)
    before = path.read_bytes()
    with pytest.raises(KeyError):
        save_tensors({"a": torch.zeros(2, dtype=torch.complex64)}, path)
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["weights"]


def test_whoever_may_read_other_files_may_read_weights(tmp_path):
    mask = os.umask(0o022)
    try:
        save_tensors(TENSORS, tmp_path / "weights")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "weights").stat().st_mode) == 0o644


def test_a_full_disk_is_an_error_of_the_system_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "weights"
    save_tensors(TENSORS, path)
    before = path.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=rf"No space left.*{path}"):
        save_tensors({"a": torch.zeros(4)}, path)
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["weights"]
