"""Device, precision and processes, through accelerate."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState

from fbsearch.errors import InvalidInputError

_log = logging.getLogger(__name__)

Precision = Literal["fp32", "bf16", "fp16"]
_NAMES: dict[Precision, str] = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
_PATIENCE = timedelta(days=7)
"""How long processes wait for the one that measures a table or exports: longer than that takes."""


def join_processes() -> PartialState:
    """The processes that torchrun started, on the GPU where there is one; else this one alone.

    Whoever asks first decides: told nothing, accelerate lets processes on a machine without a GPU run side
    by side, each alone.
    """
    return PartialState(cpu=not torch.accelerator.is_available(), timeout=_PATIENCE)


def make_accelerator(precision: Precision = "fp32") -> Accelerator:
    """An accelerator on the GPU where there is one, with all processes that torchrun started.

    Raises:
        InvalidInputError: if the device does not train in ``precision``.
    """
    state = AcceleratorState._shared_state
    if state and state.get("_mixed_precision") != _NAMES[precision]:
        # accelerate fixes the precision at its first use in a process, but one run may search in one
        # precision and train in another; the process group (PartialState) stays as it is.
        AcceleratorState._reset_state()
    join_processes()
    on_cpu = not torch.accelerator.is_available()
    try:
        accelerator = Accelerator(mixed_precision=_NAMES[precision], cpu=on_cpu)
    except ValueError as error:
        AcceleratorState._reset_state()
        raise InvalidInputError(f"precision {precision!r} does not work here: {error}") from None
    if precision != "fp32" and not accelerator.native_amp:  # accelerate would train in fp32 without a word
        raise InvalidInputError(
            f"precision {precision!r} does not work on device {accelerator.device.type!r}: use fp32 or bf16"
        )
    if precision == "bf16" and on_cpu and torch.backends.cpu.get_cpu_capability() == "AVX2":
        _log.warning("precision bf16: this CPU has no instructions for it, fp32 is many times faster here")
    return accelerator


@contextmanager
def seeded(seed: int, *key: int) -> Iterator[torch.Generator]:
    """Random numbers for one piece of work, from ``(seed, *key)`` alone: nothing to save in a checkpoint.

    Within the block torch's global generators (dropout, drop-path) are seeded, and the block gets a
    generator of its own for everything drawn explicitly; afterwards the global ones are as before.

    Args:
        seed: of the run.
        key: what else the numbers depend on, such as the epoch and the process' rank.
    """
    global_seed, own_seed = np.random.SeedSequence([seed, *key]).generate_state(2, np.uint64)
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(int(global_seed) >> 1)
        yield torch.Generator().manual_seed(int(own_seed) >> 1)
