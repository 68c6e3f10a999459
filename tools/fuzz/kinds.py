"""Every kind of file that the package reads: a sound one, how it is changed, and what reads it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fbsearch.architecture import Architecture
from fbsearch.costs import count_architecture
from fbsearch.devices.definition import load_definition as load_device
from fbsearch.devices.log import ModelRound, SentinelReading
from fbsearch.export import Preprocessing, read_sidecar, sidecar_path, write_sidecar
from fbsearch.files import dump_json
from fbsearch.latency import LatencyTable
from fbsearch.latency.measuring.journal import Journal
from fbsearch.nn import Network, load_network, save_weights
from fbsearch.pipeline import load_recipe
from fbsearch.pipeline.stages.run_log import RunLog
from fbsearch.records import InputRecord, RunPaths, read_record
from fbsearch.reports.page import render_page
from fbsearch.reports.run_folder import read_run
from fbsearch.spaces import (
    StackChanges,
    choose_stack,
    load_genotype,
    load_space,
    save_genotype,
    stack_cells,
    without_dead_ends,
)
from fbsearch.train import run_epochs
from tests.reports.sample_run import write_sample_run
from tools.fuzz.contents import json_file, json_lines, sealed_state, tensors, yaml_file
from tools.fuzz.kind import Kind
from tools.fuzz.models import make_models
from tools.fuzz.phones import make_phones
from tools.fuzz.pictures import make_pictures

REPOSITORY = Path(__file__).parents[2]


def make_kinds(folder: Path) -> tuple[Kind, ...]:
    """Sound files of every kind below ``folder``."""
    run = folder / "run"
    sample = write_sample_run(run)
    architecture = sample.space.decode(sample.choices)
    _write_inputs(run / "inputs.json")
    page = partial(_page, run)
    in_run = [
        Kind("architecture", run / "architecture.json", json_file, partial(_architecture, run)),
        Kind("table", run / "table.json", json_file, _table),
        Kind("table in a run", run / "table.json", json_file, page),
        Kind("stored recipe", run / "recipe.yaml", yaml_file, page),
        Kind("run record", run / "run.json", json_file, partial(_run_record, run)),
        Kind("search result", run / "search" / "result.json", json_file, page),
        Kind("search metrics", run / "search" / "metrics.jsonl", json_lines, page),
        Kind("training result", run / "train" / "result.json", json_file, page),
        Kind("verification", run / "verification.json", json_file, page),
        Kind("inputs", run / "inputs.json", json_file, _inputs),
    ]
    files = (*in_run, *_written(folder), *_weights(folder, architecture), *_beside_models(folder))
    files = (*files, Kind("genotype", _genotype_file(folder), json_file, _genotype))
    return (*files, *make_pictures(folder), *make_phones(folder), *make_models(folder))


def _written(folder: Path) -> list[Kind]:
    sources = {
        "recipe": (REPOSITORY / "fbsearch/pipeline/recipes/quickstart.yaml", _recipe),
        "space": (REPOSITORY / "fbsearch/spaces/presets/digits.yaml", _space),
        "space of cells": (_cells(folder), _space),
        "plain space": (REPOSITORY / "fbsearch/spaces/presets/zen_cifar.yaml", _space),
        "device": (REPOSITORY / "devices/examples/pixel7.yaml", load_device),
    }
    kinds = []
    for name, (source, read) in sources.items():
        path = folder / f"{name.replace(' ', '_')}.yaml"
        path.write_bytes(source.read_bytes())
        kinds.append(Kind(name, path, yaml_file, read))
    return kinds


def _weights(folder: Path, architecture: Architecture) -> list[Kind]:
    weights, plain = folder / "weights.safetensors", folder / "weights.json"
    save_weights(Network(architecture), weights)
    architecture.save(plain)
    task = folder / "task"
    run_epochs(_Task(), folder=task, title="task", resume=False, progress=False, identity={"seed": 0})
    checkpoint = task / "checkpoint.safetensors"
    reseal = partial(sealed_state, scratch=folder / "scratch.safetensors")
    return [
        Kind("weights", weights, tensors, partial(load_network, plain)),
        Kind("checkpoint", checkpoint, tensors, _checkpoint),
        Kind("sealed checkpoint", checkpoint, reseal, _checkpoint),
    ]


def _beside_models(folder: Path) -> list[Kind]:
    model, journal = folder / "model.tflite", folder / "journal.partial"
    model.write_bytes(b"model")
    preprocessing = Preprocessing(8, 1, (0.5,), (0.2,), "NHWC", ("a", "b"))
    write_sidecar(model, preprocessing, architecture="a")
    with Journal(journal, {"space": "digits", "seed": 0}) as begun:
        begun.add_converting(1.5)
        begun.append(SentinelReading(10.0, 0.5, is_start=True))
        begun.append(ModelRound("conv_k3_s1_relu_c3-8_r8", (5.0, 5.5)))
        begun.append(SentinelReading(10.5, 1.0))
        begun.plan_networks([(0, 1), (1, 0)])
    return [
        Kind("sidecar", sidecar_path(model), json_file, lambda path: read_sidecar(model)),
        Kind("journal", journal, json_lines, _journal),
    ]


class _Task:
    """Two weights and their optimiser."""

    num_epochs = 1

    def __init__(self) -> None:
        self.network = nn.Linear(2, 1)
        self.optimizer = torch.optim.AdamW(self.network.parameters())

    def run_epoch(self, epoch: int, report: Any) -> dict[str, float]:
        self.network(torch.ones(1, 2)).sum().backward()
        self.optimizer.step()
        return {"loss": 1.0}

    def state_dict(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])


def _checkpoint(path: Path) -> None:
    run_epochs(_Task(), folder=path.parent, title="task", resume=True, progress=False, identity={"seed": 0})


def _page(run: Path, path: Path) -> str:
    return render_page(read_run(run))


def _run_record(run: Path, path: Path) -> None:
    log = RunLog(RunPaths(run), seed=0)
    with log.stage("search"):
        pass
    log.is_done("search")
    _page(run, path)


def _architecture(run: Path, path: Path) -> None:
    architecture = Architecture.load(path)
    count_architecture(architecture)
    dump_json(architecture.to_dict())
    _page(run, path)


def _table(path: Path) -> None:
    table, space = LatencyTable.load(path), load_space("digits")
    dump_json(table.to_dict())
    table.check_space(space)
    table.calibrated_us(space.decode((0,) * len(space.decisions)))


def _recipe(path: Path) -> None:
    load_recipe(str(path), ["search.epochs=2"]).to_yaml()


def _space(path: Path) -> None:
    space = load_space(str(path))
    rng = np.random.default_rng(0)
    code = space.sample(rng)
    dump_json(space.decode(code).to_dict())
    str(space.size)


def _genotype(path: Path) -> None:
    genotype = load_genotype(str(path))
    stack = choose_stack(genotype)
    dump_json(stack_cells(genotype, stack).to_dict())
    dump_json(stack_cells(without_dead_ends(genotype), stack).to_dict())


def _inputs(path: Path) -> None:
    dump_json(read_record(path, InputRecord).model_dump(mode="json"))


def _journal(path: Path) -> None:
    with Journal(path, {"space": "digits", "seed": 0}) as journal:
        journal.add_converting(0.5)
        journal.append(SentinelReading(10.0, 2.0))
        journal.plan_networks([(0, 0)])


def _write_inputs(path: Path) -> None:
    fields = {
        "data": {"source": "digits"}, "seed": 0, "resolution": 8, "in_channels": 1, "mean": [0.5],
        "std": [0.2], "class_names": ["a", "b"],
    }  # fmt: skip
    path.write_text(json.dumps(fields))


def _genotype_file(folder: Path) -> Path:
    path = folder / "genotype.json"
    genotype, small = load_genotype("snas_aggressive"), StackChanges(cells=4, channels=8, resolution=16)
    stacks = {"small": choose_stack(genotype, changes=small)}
    save_genotype(genotype.model_copy(update={"stacks": stacks}), path)
    return path


def _cells(folder: Path) -> Path:
    path = folder / "cells_source.yaml"
    path.write_text(
        "name: cells\nkind: cells\nresolution: 16\nnum_classes: 3\nchannels: 4\nstages: 2\n"
        "cells_per_stage: 1\n"
        "cell: {inputs: 2, nodes: 2, ops: [none, skip, sep_conv_3x3], output: all}\nreduction: cell\n"
    )
    return path
