"""Latency as a score: slower networks are larger ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fbsearch.errors import ProxyError
from fbsearch.latency import LatencyTable
from fbsearch.proxies.subject import Subject


@dataclass(frozen=True)
class LatencyProxy:
    """The latency that a table gives an architecture, in microseconds.

    No name makes it, since it needs a table.

    Args:
        table: that holds the architectures' operators.
    """

    table: LatencyTable
    name: str = "latency"
    label: str = "latency, of a table"
    is_random: bool = False

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """Calibrated where the table is, else the sum of the operators.

        Raises:
            ProxyError: if the subject is no architecture.
            MissingOperatorError: naming an operator that the table lacks.
        """
        if subject.architecture is None:
            raise ProxyError("a table holds operators: only an architecture has a latency in it")
        calibrated_us = self.table.calibrated_us(subject.architecture)
        plain_us = self.table.architecture_us(subject.architecture)
        return plain_us if calibrated_us is None else calibrated_us
