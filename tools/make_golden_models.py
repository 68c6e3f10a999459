"""Writes the models of tests/tflite_runtime/models/, which an interpreter without torch must run.

Run it from the repository's root after a change of the exporter or the blocks that changes the files:

    python tools/make_golden_models.py
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

from fbsearch.export import ConversionCache, convert_operators, export_tflite
from fbsearch.latency.measuring.sentinel import SENTINEL
from fbsearch.nn import Network
from fbsearch.spaces import load_space

FOLDER = Path(__file__).parents[1] / "tests" / "tflite_runtime" / "models"
NUM_SAMPLES = 4


def main() -> None:
    space = load_space(str(FOLDER / "space.yaml"))
    with tempfile.TemporaryDirectory() as folder:
        operators = (*space.operators(), SENTINEL)
        for operator, path in convert_operators(operators, "tflite", ConversionCache(Path(folder))).items():
            shutil.copyfile(path, FOLDER / f"{operator.key}.tflite")

    torch.manual_seed(0)
    network = Network(space.decode((0,) * len(space.decisions))).eval()
    channels, size, _ = space.input.dimensions
    export_tflite(network, [(channels, size, size)], FOLDER / "network.tflite")
    images = torch.randn(NUM_SAMPLES, channels, size, size)
    with torch.no_grad():
        outputs = network(images)
    np.savez(FOLDER / "network.npz", inputs=images.permute(0, 2, 3, 1).numpy(), outputs=outputs.numpy())


if __name__ == "__main__":
    main()
