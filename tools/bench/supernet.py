"""Supernet steps: the plain loop over candidates in NCHW against fbsearch's soft and sampled modes.

    python tools/bench/supernet.py --space fbnet --batch 4 --threads 2 --rounds 15

Times are of one training step (forward, cross-entropy, backward). Each mode has a process of its own, as a
training has, and the processes take turns, a step each; fbsearch's modes run within ``large_pages``, as
fbsearch's trainings do (``--same-memory``: the plain loop too). Ratios are of medians. Memory is the rise of
the peak resident size (on a GPU: of the peak allocation) over the steps. The plain loop and the soft mode
compute the same mixture; their largest difference is printed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from contextlib import nullcontext
from multiprocessing.connection import Connection

import numpy as np
import torch
from torch.nn import functional

from fbsearch.architecture import INPUT
from fbsearch.nn import ArchitectureDistribution, MixedOperation, Supernet
from fbsearch.spaces import load_space
from fbsearch.train import large_pages

MODES = ("plain", "soft", "sampled")
WARM_UP = 4


def plain_loop(supernet: Supernet, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    outputs = {INPUT: x}
    fixed = {node.name: node for node in supernet.space.fixed}
    rows = {p: row for row, one in zip(weights, supernet.space.decisions, strict=True) for p in one.places}
    for name in supernet.space.order:
        module = supernet.node(name)
        if name in fixed:
            outputs[name] = module(*(outputs[source] for source in fixed[name].inputs))
        else:
            assert isinstance(module, MixedOperation)
            pairs = zip(rows[name], module.candidates, module.inputs, strict=False)
            outputs[name] = sum(m * candidate(outputs[source]) for m, candidate, source in pairs)
    return outputs[supernet.space.order[-1]]


class Bench:
    """The supernet in one mode, and its steps."""

    def __init__(self, mode: str, args: argparse.Namespace) -> None:
        torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        self.mode = mode
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        layout = torch.contiguous_format if mode == "plain" else torch.channels_last
        space = load_space(args.space)
        shape = (args.batch, *space.input.dimensions)
        self.supernet = Supernet(space).to(self.device, memory_format=layout)
        self.distribution = ArchitectureDistribution.of(space).to(self.device)
        self.images = torch.randn(shape).to(self.device, memory_format=layout)
        self.labels = torch.randint(space.num_classes, (args.batch,)).to(self.device)
        self.memory_before = self.peak_memory()

    def step(self, index: int) -> tuple[float, torch.Tensor]:
        """Seconds of a step, and its logits; the same sample for all modes."""
        sampling = "sampled" if self.mode == "sampled" else "soft"
        seed = torch.Generator().manual_seed(index)
        sample = self.distribution.sample(temperature=5.0, mode=sampling, generator=seed)
        self.supernet.zero_grad(set_to_none=True)
        self.synchronize()
        start = time.perf_counter()
        if self.mode == "plain":
            logits = plain_loop(self.supernet, self.images, sample.weights)
        else:
            logits = self.supernet(self.images, sample.weights, sample.paths)
        functional.cross_entropy(logits, self.labels).backward()
        self.synchronize()
        return time.perf_counter() - start, logits.detach().cpu()

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def peak_memory(self) -> int:
        """Bytes."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def serve(mode: str, args: argparse.Namespace, pipe: Connection) -> None:
    """A process of one mode: takes a step when told its number, until told None; then its memory."""
    with nullcontext() if mode == "plain" and not args.same_memory else large_pages():
        bench = Bench(mode, args)
        while (index := pipe.recv()) is not None:
            seconds, logits = bench.step(index)
            pipe.send((seconds, logits.numpy()))
        pipe.send(bench.peak_memory() - bench.memory_before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="fbnet")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--same-memory", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for mode in MODES:
        pipes[mode], theirs = context.Pipe()
        context.Process(target=serve, args=(mode, args, theirs), daemon=True).start()
    difference = 0.0
    seconds: dict[str, list[float]] = {mode: [] for mode in MODES}
    for index in range(args.rounds + WARM_UP):
        outputs = {}
        for mode, pipe in pipes.items():
            pipe.send(index)
            elapsed, outputs[mode] = pipe.recv()
            if index >= WARM_UP:
                seconds[mode].append(elapsed)
        difference = max(difference, float(np.abs(outputs["plain"] - outputs["soft"]).max()))
    memory = {}
    for mode, pipe in pipes.items():
        pipe.send(None)
        memory[mode] = pipe.recv()
    medians = {mode: statistics.median(values) for mode, values in seconds.items()}
    result = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "space": args.space,
        "batch": args.batch,
        "threads": args.threads,
        "torch": torch.__version__,
        "max_abs_diff": difference,
        "median_s": medians,
        "images_per_s": {mode: args.batch / value for mode, value in medians.items()},
        "peak_mib": {mode: value / 2**20 for mode, value in memory.items()},
        "plain_over_soft": medians["plain"] / medians["soft"],
        "sampled_over_soft": medians["sampled"] / medians["soft"],
        "sampled_over_soft_memory": memory["sampled"] / memory["soft"],
        "seconds": seconds,
    }
    if args.json:
        print(json.dumps(result, indent=1))
        return
    for mode in MODES:
        print(
            f"{mode:8} {medians[mode]:8.3f} s a step {args.batch / medians[mode]:8.1f} images/s "
            f"{memory[mode] / 2**20:8.0f} MiB"
        )
    print(f"plain / soft {result['plain_over_soft']:.2f}, largest difference of logits {difference:.2g}")
    print(
        f"sampled / soft: time {result['sampled_over_soft']:.3f}, "
        f"memory {result['sampled_over_soft_memory']:.3f}"
    )


if __name__ == "__main__":
    main()
