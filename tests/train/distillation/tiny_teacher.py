"""A teacher small enough for tests, as each kind of thing that a teacher may be."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

CLASSES = 10
WIDTH = 6


class TinyTeacher(nn.Module):
    """A convolution, a global pooling, a linear layer; of random weights, always the same."""

    def __init__(self, *, in_channels: int = 1, num_classes: int = CLASSES) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, WIDTH, 3, 2, 1)
        self.act = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(WIDTH, num_classes)
        generator = torch.Generator().manual_seed(5)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.pool(self.act(self.conv(images))).flatten(1))


def write_module(folder: Path, body: str, *, name: str) -> str:
    """A module of a user's, with a function ``make``; what calls it."""
    text = "import torch\nfrom tests.train.distillation.tiny_teacher import TinyTeacher\n"
    (folder / f"{name}.py").write_text(f"{text}\ndef make():\n    {body}\n")
    return f"{name}:make"


def write_script(path: Path) -> Path:
    torch.jit.trace(TinyTeacher().eval(), torch.zeros(1, 1, 16, 16)).save(str(path))
    return path


def write_onnx(path: Path, *, batch: int | str = "B", shows_features: bool = True) -> Path:
    """The same arithmetic, operator by operator."""
    weights = {name: value.detach().numpy() for name, value in TinyTeacher().state_dict().items()}
    nodes = [
        helper.make_node(
            "Conv", ["images", "conv.weight", "conv.bias"], ["map"], strides=[2, 2], pads=[1] * 4
        ),
        helper.make_node("Relu", ["map"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "linear.weight", "linear.bias"], ["scores"], transB=1),
    ]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, CLASSES])]
    if shows_features:
        outputs.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, WIDTH, 8, 8]))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 1, 16, 16])
    initial = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tiny", [images], outputs, initial)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
