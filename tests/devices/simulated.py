"""A device without hardware: sessions that take scripted times, for tests of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fbsearch.devices import DeviceDescription, InProcessRunner, LocalDefinition, RuntimeDescription

Slowness = Callable[[float], float]
"""Simulated seconds → factor on every latency."""


@dataclass
class Machine:
    """Simulated time, and how slow the machine is at each moment of it."""

    slowness: Slowness = lambda now: 1.0
    now: float = 0.0
    noise: float = 0.002
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    paused_s: float = 0.0

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.paused_s += seconds

    def take(self, latency_us: float, noise: float | None = None) -> float:
        factor = self.slowness(self.now) * float(np.exp(self.rng.normal(0, noise or self.noise)))
        self.now += latency_us * factor * 1e-6
        return latency_us * factor


@dataclass
class SimulatedSession:
    """A model that takes ``latency_us`` on a machine that is not slow."""

    machine: Machine
    latency_us: float
    noise: float | None = None
    invocations: int = 0
    is_closed: bool = False
    input_shape: tuple[int, ...] = (1,)

    def invoke(self, count: int) -> list[float]:
        self.invocations += count
        return [self.machine.take(self.latency_us, self.noise) for _ in range(count)]

    def run(self, inputs: np.ndarray) -> np.ndarray:
        return inputs

    def close(self) -> None:
        self.is_closed = True


class SimulatedRunner(InProcessRunner):
    """Opens any path; the latency follows from the file's name."""

    def __init__(self, machine: Machine, *, threads: int = 1, version: str = "1.0") -> None:
        self.machine = machine
        self.sessions: list[SimulatedSession] = []
        self.description = RuntimeDescription(
            name="tflite", package="simulated", version=version, threads=threads
        )

    def open(self, model: Path) -> SimulatedSession:
        session = SimulatedSession(self.machine, simulated_latency_us(model.stem))
        self.sessions.append(session)
        return session


def simulated_latency_us(key: str) -> float:
    """Something between 10 and 500 us that depends on nothing but the name."""
    return float(np.random.default_rng(list(key.encode())).uniform(10, 500))


class SimulatedDevice:
    """A device whose runner is simulated."""

    name = "simulated"
    definition = LocalDefinition(name="simulated")

    def __init__(self, machine: Machine | None = None, *, version: str = "1.0", num_cores: int = 2) -> None:
        self.machine = machine or Machine()
        self.version = version
        self.num_cores = num_cores
        self.runners: list[SimulatedRunner] = []

    def describe(self) -> DeviceDescription:
        return DeviceDescription(
            name=self.name, kind="local", model="Test", architecture="none", num_cores=self.num_cores
        )

    def runner(self, runtime: str, *, threads: int, precision: str = "fp32") -> SimulatedRunner:
        self.runners.append(SimulatedRunner(self.machine, threads=threads, version=self.version))
        return self.runners[-1]


def simulated_models(operators):
    """A converter that converts nothing: the path's name is all that a simulated runner needs."""
    for operator in operators:
        yield operator, Path(f"{operator.key}.tflite")
