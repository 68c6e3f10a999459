"""Whole networks on a simulated device: they take what their operators take in context."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fbsearch.latency.measuring.whole_networks import network_name
from fbsearch.spaces import load_space
from tests.devices.simulated import (
    Machine,
    SimulatedDevice,
    SimulatedRunner,
    SimulatedSession,
    simulated_latency_us,
)
from tests.spaces.chains import operators_of

SPACE = load_space("digits")


def simulated_network_us(choices: tuple[int, ...], *, slope: float = 1.2, spread: float = 0.05) -> float:
    """slope x the sum - 20, and a factor per layer and candidate that depends on nothing but its place."""
    total = -20.0 if slope > 0 else 5000.0
    for node in SPACE.fixed:
        total += slope * simulated_latency_us(node.operator.key)
    for layer, (decision, choice) in enumerate(zip(SPACE.decisions, choices, strict=True)):
        operator = operators_of(decision)[choice]
        alone = 0.0 if operator.is_identity else simulated_latency_us(operator.key)
        factor = np.random.default_rng([layer, choice]).normal(1, spread)
        total += slope * alone * factor
    return total


def simulated_networks(architectures):
    """A converter that converts nothing: the path's name says which network it is."""
    for architecture in architectures:
        yield architecture, Path(f"{network_name(SPACE.encode(architecture))}.tflite")


class _Runner(SimulatedRunner):
    def __init__(self, device: NetworkDevice, threads: int) -> None:
        super().__init__(device.machine, threads=threads, version=device.version)
        self.is_elsewhere = device.is_elsewhere
        self.slope = device.slope

    def open(self, model: Path) -> SimulatedSession:
        if not model.stem.startswith("network "):
            return super().open(model)
        choices = tuple(map(int, model.stem.removeprefix("network ").split("-")))
        session = SimulatedSession(self.machine, simulated_network_us(choices, slope=self.slope))
        self.sessions.append(session)
        return session


class NetworkDevice(SimulatedDevice):
    """Runs operators and whole networks; a negative slope makes it absurd."""

    def __init__(
        self, machine: Machine | None = None, *, is_elsewhere: bool = False, slope: float = 1.2
    ) -> None:
        super().__init__(machine)
        self.is_elsewhere = is_elsewhere
        self.slope = slope

    def runner(self, runtime: str, *, threads: int, precision: str = "fp32") -> SimulatedRunner:
        self.runners.append(_Runner(self, threads))
        return self.runners[-1]


class Stop(Exception):
    pass


class StoppingDevice(NetworkDevice):
    """Fails after so many invocations, as a cable does when it is pulled."""

    def __init__(self, invocations: int, **options) -> None:
        super().__init__(**options)
        take, self.left = self.machine.take, invocations

        def limited(latency_us, noise=None):
            self.left -= 1
            if self.left < 0:
                raise Stop
            return take(latency_us, noise)

        self.machine.take = limited
