"""Both formats agree with torch for every kind of operator, and leave the caller's module alone."""

from __future__ import annotations

import copy
import errno
import logging
import resource
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fbsearch.architecture import Operator
from fbsearch.errors import ExportError
from fbsearch.export import export_model, export_onnx, export_tflite, format_of
from fbsearch.export.operators import random_module
from fbsearch.nn import Network
from fbsearch.spaces import load_space
from tests.export.converted import operator_names, run_model

TOLERANCE = 1e-4

KEYS = (
    "conv_k3_s2_relu_c3-16_r32",
    "conv_k1_s1_hswish_c16-24_r14",
    "mbconv_k3_e6_s2_relu_c16-24_r15",
    "mbconv_k5_e3_s1_relu6_c24-24_r14",
    "mbconv_k5_e1_g2_s1_relu_c24-24_r14",
    "mbconv_k3_e1_full_g2_s2_relu_c24-32_r14",
    "mbconv_k3_e3_s1_se0.25_hswish_c24-24_r14",
    "mbconv_k3_e3_s1_swish_c16-24_r7",
    "skip_s2_c16-24_r14",
    "skip_s1_c16-24_r14",
    "classifier_c64-10_r7",
)


def make_inputs(operator: Operator, *, count: int = 3) -> Tensor:
    return torch.randn((count, *operator.inputs[0].dimensions), generator=torch.Generator().manual_seed(1))


def make_network() -> Network:
    space = load_space("digits")
    torch.manual_seed(0)
    network = Network(space.decode([index % 6 for index in range(len(space.decisions))]))
    network.train()
    for _ in range(3):  # norms with statistics of their own
        network(torch.randn(8, 1, 16, 16))
    return network


@pytest.mark.parametrize(
    ("key", "suffix"), [*((key, "tflite") for key in KEYS), *((key, "onnx") for key in KEYS[4::2])]
)
def test_operator_agrees_with_torch(key: str, suffix: str, tmp_path: Path) -> None:
    operator = Operator.from_key(key)
    module, inputs, path = random_module(operator), make_inputs(operator), tmp_path / f"model.{suffix}"
    export_model(module, [tuple(inputs.shape[1:])], path)

    with torch.no_grad():
        reference = module(inputs)
    assert reference.abs().max() > 0.01  # else the comparison below says nothing
    torch.testing.assert_close(run_model(path, inputs), reference, atol=TOLERANCE, rtol=0)
    if getattr(operator, "groups", 1) == 1:
        assert not {"TRANSPOSE", "Transpose"} & set(operator_names(path))
    assert not {"BatchNormalization", "RSQRT"} & set(operator_names(path))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
def test_network_agrees_with_torch_and_stays_as_it_is(suffix: str, tmp_path: Path) -> None:
    network = make_network().to(memory_format=torch.channels_last)
    before = copy.deepcopy(network.state_dict())
    path = tmp_path / f"model.{suffix}"
    export_model(network, [(1, 16, 16)], path)

    assert network.training and all(part.training for part in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert before.keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    inputs = torch.randn(5, 1, 16, 16)
    with torch.no_grad():
        reference = network.eval()(inputs)
    torch.testing.assert_close(run_model(path, inputs), reference, atol=TOLERANCE, rtol=0)
    assert "TRANSPOSE" not in operator_names(path)


@pytest.mark.parametrize("export", [export_tflite, export_onnx])
def test_export_is_silent(export, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    export(nn.Conv2d(3, 4, 1), [(3, 8, 8)], tmp_path / "model")
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == logging.NOTSET


class Unconvertible(nn.Module):
    """Runs in torch, but no converter knows its operator."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x).real


class DataDependent(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize("module", [Unconvertible(), DataDependent()], ids=["operator", "branch"])
@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
def test_a_module_that_cannot_be_converted_leaves_the_old_file(module, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_text("old")
    with pytest.raises(ExportError, match="cannot be converted to") as failure:
        export_model(module, [(2, 4, 4)], path)
    assert "\n" not in str(failure.value) and len(str(failure.value)) < 400
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_wrong_input_shape_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"does not run on an input of 5 x 8 x 8 \(C x H x W\)"):
        export_onnx(nn.Conv2d(3, 4, 1), [(5, 8, 8)], tmp_path / "model.onnx")


def test_a_second_output_is_refused(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x

    with pytest.raises(ExportError, match="one output"):
        export_tflite(Two(), [(3, 8, 8)], tmp_path / "model.tflite")


@pytest.mark.parametrize("name", ["model.pt", "model", "model.TFLITE"])
def test_an_unknown_suffix_lists_the_allowed(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"\.tflite or \.onnx"):
        export_model(nn.Identity(), [(3, 8, 8)], tmp_path / name)


def test_format_of() -> None:
    assert format_of(Path("a/b.tflite")) == "tflite"
    assert format_of(Path("b.c.onnx")) == "onnx"


@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
def test_a_disk_that_takes_no_more_is_an_error(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{suffix}"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(ExportError, match="cannot be written") as failure:
            export_model(nn.Conv2d(64, 64, 3), [(64, 8, 8)], path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert isinstance(failure.value.__cause__, OSError)
    assert failure.value.__cause__.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
def test_a_folder_that_is_a_file_is_an_error(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        export_model(nn.Conv2d(3, 4, 1), [(3, 8, 8)], tmp_path / "file" / f"model.{suffix}")
