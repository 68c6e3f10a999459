"""One trained network in every precision: accuracy, agreement with fp32, size and latency.

    python tools/bench/precisions.py RUN --out precisions.json

RUN is the folder of a run. Its network is exported in every precision and format; each file classifies the
test images. The files of a format are measured together, interleaved, by the device's protocol, so that a
slow minute falls on all alike.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fbsearch.devices import FORMAT_RUNTIMES, Device, find_device
from fbsearch.export import ConversionCache, convert_operators, precision_path
from fbsearch.files import write_json
from fbsearch.latency.measuring.networks import measure_models
from fbsearch.latency.measuring.sentinel import SENTINEL
from fbsearch.pipeline.recipe import DeviceSettings, VerifySettings
from fbsearch.pipeline.stages.exporting import run_export
from fbsearch.pipeline.stages.inputs import load_recorded
from fbsearch.pipeline.stages.verifying import run_verification
from fbsearch.precision import PRECISIONS
from fbsearch.records import InputRecord, RunPaths, read_record

LENIENT = VerifySettings(num_samples=None, max_abs_diff=1e6, min_top1_agreement=0)
"""A precision that fails is a row of the table, not the end of the benchmark."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--device", default="local")
    parser.add_argument("--formats", nargs="+", default=list(FORMAT_RUNTIMES), choices=list(FORMAT_RUNTIMES))
    parser.add_argument("--calibration-images", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows = []
    print("format  precision     accuracy  agreement  KiB      ms       of fp32")
    with tempfile.TemporaryDirectory() as folder:
        for model_format in args.formats:
            rows += rows_of(args, model_format, Path(folder), find_device(args.device))
    if args.out is not None:
        write_json(args.out, rows)


def rows_of(
    args: argparse.Namespace, model_format: str, folder: Path, device: Device
) -> list[dict[str, Any]]:
    paths = RunPaths(args.run)
    data = load_recorded(read_record(paths.inputs, InputRecord))
    models = [precision_path(folder / f"model.{model_format}", precision) for precision in PRECISIONS]
    verified = []
    for precision, model in zip(PRECISIONS, models, strict=True):
        run_export(
            args.run, model, precision=precision, calibration_images=args.calibration_images, data=data
        )
        verified.append(
            run_verification(
                model,
                paths=paths,
                device=device,
                device_settings=DeviceSettings(runtime=FORMAT_RUNTIMES[model_format]),
                protocol=device.definition.protocol,
                settings=LENIENT,
                data=data,
                budget_ms=None,
                seed=args.seed,
            )
        )
    latencies_ms = measured_together(models, model_format, device, args.seed)
    rows = []
    for one, latency_ms in zip(verified, latencies_ms, strict=True):
        rows.append(
            {
                "format": model_format,
                "precision": one.precision,
                "fp32_test_accuracy": one.fp32_test_accuracy,
                "test_accuracy": one.test_accuracy,
                "top1_agreement": one.top1_agreement,
                "max_abs_diff": one.max_abs_diff,
                "file_size_bytes": one.file_size_bytes,
                "latency_ms": latency_ms,
                "of_fp32": latency_ms / latencies_ms[0],
            }
        )
        print(
            f"{model_format:8}{one.precision:14}{one.test_accuracy:<10.2%}{one.top1_agreement:<11.2%}"
            f"{one.file_size_bytes / 1024:<9.0f}{latency_ms:<9.4f}{rows[-1]['of_fp32']:.2f}",
            flush=True,
        )
    return rows


def measured_together(models: list[Path], model_format: str, device: Device, seed: int) -> list[float]:
    [sentinel] = convert_operators([SENTINEL], model_format, ConversionCache(), jobs=1).values()
    measurements = measure_models(
        models,
        device.runner(FORMAT_RUNTIMES[model_format], threads=1),
        sentinel=sentinel,
        protocol=device.definition.protocol,
        rng=np.random.default_rng(seed),
    )
    return [measurement.latency_us / 1000 for measurement in measurements]


if __name__ == "__main__":
    main()
