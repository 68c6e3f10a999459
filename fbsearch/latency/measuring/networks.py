"""Whole networks: converted and measured by the protocol that measures operators.

The only module of this room that needs torch when it is used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import joblib
import numpy as np
import torch
from torch import nn

from fbsearch.architecture import Architecture
from fbsearch.devices.log import MeasurementLog
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.measuring import measure
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import RUNTIME_FORMATS, Device, Runner
from fbsearch.errors import ExportError
from fbsearch.export import (
    ConversionCache,
    ModelFormat,
    convert_operators,
    convert_precision,
    export_model,
    in_processes,
    random_inputs,
)
from fbsearch.latency.measuring.progress import ProfileProgress
from fbsearch.latency.measuring.runtime import TFLITE, RuntimeChoice
from fbsearch.latency.measuring.sentinel import SENTINEL
from fbsearch.nn import Network, example_input, recalibrate_norms
from fbsearch.precision import Precision

_SETTLING_IMAGES = 2


def measure_architectures(
    architectures: Sequence[Architecture],
    device: Device,
    *,
    how: RuntimeChoice = TFLITE,
    protocol: MeasurementProtocol | None = None,
    cache: ConversionCache | None = None,
    jobs: int | None = None,
    seed: int = 0,
    progress: bool | None = None,
    launches: Path | None = None,
    reference_us: float | None = None,
) -> tuple[Measurement, ...]:
    """The latencies of whole networks with random weights, measured against each other.

    Args:
        architectures: what to measure; one given twice is measured twice.
        device: where.
        how: with what runtime.
        protocol: how; by default the device's own.
        cache: of converted models; by default the user's.
        jobs: processes that convert in parallel; by default one per core.
        seed: shuffles the order of measuring.
        progress: bars on screen; by default where standard error is a terminal.
        launches: where a device that launches a tool records every launch.
        reference_us: the sentinel's latency at a table's pace.

    Returns:
        A measurement per architecture, in their order.

    Raises:
        ExportError: if one cannot be converted; the message names it.
        DeviceError: if the device or its runtime cannot be used, or a model does not run there.
    """
    runner = how.on(device)
    store = cache if cache is not None else ConversionCache()
    model_format, precision = RUNTIME_FORMATS[how.runtime], how.precision
    with ProfileProgress(len(architectures), show=progress) as shown:
        paths = convert_architectures(
            architectures,
            model_format,
            store,
            precision=precision,
            jobs=jobs,
            on_done=lambda architecture: shown.converted(),
        )
        [sentinel] = convert_operators([SENTINEL], model_format, store, precision=precision, jobs=1).values()
        shown.start_measuring()
        return measure_models(
            paths,
            runner,
            sentinel=sentinel,
            protocol=protocol if protocol is not None else device.definition.protocol,
            rng=np.random.default_rng(seed),
            on_progress=shown.measured,
            launches=launches,
            log=MeasurementLog(reference_us=reference_us),
        )


def measure_models(
    models: Sequence[Path],
    runner: Runner,
    *,
    sentinel: Path,
    protocol: MeasurementProtocol,
    rng: np.random.Generator,
    log: MeasurementLog | None = None,
    on_progress: Callable[[float], None] | None = None,
    launches: Path | None = None,
) -> tuple[Measurement, ...]:
    """The latencies of model files, measured against each other, in their order.

    Raises:
        MeasurementError: if one cannot be loaded or does not run.
    """
    with ExitStack() as stack:
        stack.enter_context(runner.measuring(launches))
        runner.prepare([*models, sentinel])
        sessions = {}
        for index, model in enumerate(models):
            session = runner.open(model)
            stack.callback(session.close)
            sessions[f"{model.name} ({index})"] = session
        watch = runner.open(sentinel)
        stack.callback(watch.close)
        measured = measure(
            sessions,
            protocol,
            sentinel=watch,
            rng=rng,
            log=log,
            on_progress=on_progress,
            throttling=runner.throttling,
        )
    return tuple(measured[name] for name in sessions)


def convert_architectures(
    architectures: Sequence[Architecture],
    model_format: ModelFormat,
    cache: ConversionCache,
    *,
    precision: Precision = "fp32",
    jobs: int | None = None,
    on_done: Callable[[Architecture], None] | None = None,
) -> list[Path]:
    """The model file of every architecture with random weights; missing ones are converted in parallel.

    Args:
        architectures: what to convert.
        model_format: what to convert it to.
        cache: files go to the folder ``networks`` within it, named by content.
        precision: of the files; activations of int8 take their ranges from random inputs.
        jobs: number of processes; by default one per core.
        on_done: called with each architecture once its file is there.

    Returns:
        One file per architecture, in their order.

    Raises:
        ExportError: if one cannot be converted; the message names it.
    """
    report = on_done or (lambda architecture: None)
    with closing(
        network_conversions(architectures, model_format, cache, precision=precision, jobs=jobs)
    ) as converted:
        for architecture, _ in converted:
            report(architecture)
    return [network_path(architecture, model_format, cache, precision) for architecture in architectures]


def network_conversions(
    architectures: Sequence[Architecture],
    model_format: ModelFormat,
    cache: ConversionCache,
    *,
    precision: Precision = "fp32",
    jobs: int | None = None,
) -> Generator[tuple[Architecture, Path], None, None]:
    """Whole networks with their model files, each as soon as it is there; otherwise as above."""
    paths = [network_path(architecture, model_format, cache, precision) for architecture in architectures]
    missing: dict[Path, list[Architecture]] = {}
    for path, architecture in zip(paths, architectures, strict=True):
        if path.exists():
            yield architecture, path
        else:
            missing.setdefault(path, []).append(architecture)
    if missing:
        cache.check_writable()
        processes = min(jobs or int(joblib.cpu_count()), len(missing))
        items = [
            (same[0], network_path(same[0], model_format, cache), precision, path)
            for path, same in missing.items()
        ]
        with closing(in_processes(_convert, items, jobs=processes)) as converted:
            for *_, path in converted:
                yield from ((architecture, path) for architecture in missing[path])


def network_path(
    architecture: Architecture,
    model_format: ModelFormat,
    cache: ConversionCache,
    precision: Precision = "fp32",
) -> Path:
    """Where a whole network lies in the cache: its name covers all that its operators' names cover."""
    parts = [
        [cache.path(node.operator, model_format, precision).name, node.name, *node.inputs]
        for node in architecture.nodes
    ]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return cache.folder / "networks" / model_format / f"network-{digest}.{model_format}"


def random_network(architecture: Architecture) -> Network:
    """A network with random weights whose activations neither grow nor vanish with depth.

    Fresh batch norms divide by 1 whatever comes in, so a deep network's activations would shrink to
    denormal numbers, which many processors compute a hundred times slower. Here each norm's statistics
    are those of random images, and its bias is random, since a converter may drop biases of zero,
    which no trained network has.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = Network(architecture)
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.bias.normal_(std=0.1)
        recalibrate_norms(network, [example_input(architecture, batch=_SETTLING_IMAGES)])
    return network.eval()


def _convert(item: tuple[Architecture, Path, Precision, Path]) -> None:
    """The float file first, which every precision is made from: it is kept too."""
    architecture, float_path, precision, path = item
    shape = architecture.input.dimensions
    try:
        if not float_path.exists():
            export_model(random_network(architecture), [shape], float_path)
        if precision != "fp32":
            convert_precision(float_path, precision, [random_inputs(shape)], path)
    except ExportError as error:
        raise ExportError(f"architecture {architecture.name!r}: {error}") from None
