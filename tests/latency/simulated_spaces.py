"""Whole networks of any space on a simulated device: what an operator takes, it takes anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fbsearch.architecture import Architecture, Operator
from fbsearch.latency.measuring.settings import ModelSource
from fbsearch.latency.measuring.whole_networks import network_name
from fbsearch.spaces import Space, parse_definition
from tests.devices.simulated import (
    Machine,
    SimulatedDevice,
    SimulatedRunner,
    SimulatedSession,
    simulated_latency_us,
    simulated_models,
)

LOOSE = parse_definition(
    {
        "name": "loose", "kind": "cells", "resolution": 8, "num_classes": 3, "channels": 4, "stages": 2,
        "cells_per_stage": 1,
        "cell": {"nodes": 2, "ops": ["skip", "conv_3x3"], "rule": "chosen", "output": "loose"},
    },
    source="test",
).build()  # fmt: skip


def in_context_us(architecture: Architecture, *, spread: float = 0.1) -> float:
    """1.2 x the sum + 20, and a factor for each kind of block."""
    charged = [operator for operator in architecture.operators() if not operator.is_free]
    return 20 + sum(1.2 * simulated_latency_us(one.key) * _factor(one, spread) for one in charged)


def _factor(operator: Operator, spread: float) -> float:
    return float(np.random.default_rng(list(repr(operator.block).encode())).normal(1, spread))


class _Runner(SimulatedRunner):
    def __init__(self, machine: Machine, space: Space, threads: int, version: str) -> None:
        super().__init__(machine, threads=threads, version=version)
        self._space = space

    def open(self, model: Path) -> SimulatedSession:
        if not model.stem.startswith("network "):
            return super().open(model)
        code = tuple(map(int, model.stem.removeprefix("network ").split("-")))
        self.sessions.append(SimulatedSession(self.machine, in_context_us(self._space.decode(code))))
        return self.sessions[-1]


class SpaceDevice(SimulatedDevice):
    """Runs operators and the networks of a space."""

    def __init__(self, space: Space, machine: Machine | None = None, **options) -> None:
        super().__init__(machine, **options)
        self._space = space

    def runner(self, runtime: str, *, threads: int, precision: str = "fp32") -> SimulatedRunner:
        self.runners.append(_Runner(self.machine, self._space, threads, self.version))
        return self.runners[-1]


def models_of(space: Space) -> ModelSource:
    """Converts nothing: a path's name says which operator or network it is."""

    def networks(architectures):
        for architecture in architectures:
            yield architecture, Path(f"{network_name(space.encode(architecture))}.tflite")

    return ModelSource(operators=simulated_models, networks=networks)
