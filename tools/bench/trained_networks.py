"""Networks of a space, drawn at random and trained briefly, all alike: what a score is judged by.

    python tools/bench/trained_networks.py --space cifar --data cifar10.zip --networks 80 --epochs 3 \\
        --limit 2000 --workers 2 --seed 0 --out trained.csv
    fbsearch proxy evaluate trained.csv --space cifar --proxy all

A row a network: its code, its accuracy on the test images as a share, the seconds of its training and what
it counts. Each is trained in a process of one thread, and nothing depends on how many there are. A row is
on disk as soon as its network is trained: interrupted, the same command goes on; with more --networks, too.
Beside the rows, OUT.settings.json keeps the settings, and other ones are refused. --training-seed trains the
very same networks from other weights into another file: how well the two agree is the most that any score
can reach.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import joblib
import numpy as np
import torch

from fbsearch.architecture import Architecture
from fbsearch.costs import count_architecture
from fbsearch.data import DataSplits, load_data
from fbsearch.errors import CheckpointError, FbsearchError, TrainingError
from fbsearch.files import read_json, write_json
from fbsearch.nn import Network
from fbsearch.ownership import owned
from fbsearch.pipeline.recipe import settings_from
from fbsearch.pipeline.stages.inputs import space_for
from fbsearch.search.trials import ShortTrainingSettings
from fbsearch.spaces import Code, Space, load_space
from fbsearch.train import ChildTask, TrainSettings, evaluate, make_accelerator, seeded
from fbsearch.train.display import epoch_bar
from fbsearch.train.loaders import evaluation_loader
from fbsearch.train.memory import large_pages

COLUMNS = ("code", "accuracy", "val_accuracy", "train_loss", "seconds", "num_params", "num_macs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="cifar")
    parser.add_argument("--data", required=True)
    parser.add_argument("--networks", type=int, default=80)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--limit", type=int, default=2000, help="training images")
    parser.add_argument("--eval-limit", type=int, default=5000, help="test and validation images")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the networks drawn and of the images kept")
    parser.add_argument("--training-seed", type=int, default=0)
    parser.add_argument("--set", dest="settings", action="append", default=[], help="of the training")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    try:
        run(args)
    except FbsearchError as error:
        sys.exit(f"trained_networks: {error}")


def run(args: argparse.Namespace) -> None:
    settings = settings_from(ShortTrainingSettings, [f"epochs={args.epochs}", *args.settings], source="--set")
    with owned(args.out, error=CheckpointError, remedy="choose another --out"):
        needed = load_space(args.space).input
        data = load_data(
            args.data,
            resolution=needed.resolution,
            in_channels=needed.channels,
            seed=args.seed,
            limit=args.limit,
            eval_limit=args.eval_limit,
        )
        space = space_for(data.num_classes, args.space)
        keep_settings(args, space, data, settings)
        done = begin(args.out)
        missing = [code for code in draw(space, args.networks, args.seed) if text_of(code) not in done]
        with (
            epoch_bar("train", args.networks, unit="network", enabled=sys.stderr.isatty()) as show,
            args.out.open("a", encoding="utf-8", newline="") as file,
        ):
            for number, row in enumerate(trained(space, missing, data, settings, args), start=1):
                append(file, [row[column] for column in COLUMNS])
                show(args.networks - len(missing) + number, [])
                print(f"{row['accuracy']:.2%} after {row['seconds']:.0f} s: {row['code']}", flush=True)


def keep_settings(args: argparse.Namespace, space: Space, data: DataSplits, settings: TrainSettings) -> None:
    """Rows of one file are trained alike, or they say nothing of one another."""
    path = args.out.with_name(f"{args.out.name}.settings.json")
    now = {
        "space": space.fingerprint,
        "data": data.fingerprint,
        "training": settings.model_dump(mode="json"),
        "seed": args.seed,
        "training_seed": args.training_seed,
    }
    before = read_json(path) if path.exists() else now
    different = [name for name in now if before.get(name) != now[name]]
    if different:
        raise CheckpointError(
            f"{args.out} was begun with another {', '.join(different)} ({path.name}): choose another --out"
        )
    write_json(path, now)


def begin(path: Path) -> set[str]:
    """The codes that are done; a row that a kill tore is cut off."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    if not whole:
        with path.open("w", encoding="utf-8", newline="") as file:
            append(file, COLUMNS)
    return {row["code"] for row in csv.DictReader(io.StringIO(whole.decode("utf-8")))}


def append(file: TextIO, row: Sequence[Any]) -> None:
    csv.writer(file, lineterminator="\n").writerow(row)
    file.flush()
    os.fsync(file.fileno())


def draw(space: Space, count: int, seed: int) -> list[Code]:
    """Different networks that see the image; the first of a longer list are those of a shorter one."""
    drawn: dict[Code, None] = {}
    for index in range(100 * count):
        code = space.sample(np.random.default_rng([seed, index]))
        if space.decode(code).sees_image:
            drawn.setdefault(code)
        if len(drawn) == count:
            return list(drawn)
    raise CheckpointError(f"space {space.name!r} holds no {count} networks: ask for fewer --networks")


def text_of(code: Code) -> str:
    return " ".join(map(str, code))


def trained(
    space: Space, codes: list[Code], data: DataSplits, settings: TrainSettings, args: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """A row a network, in the order in which they end; the images go to the processes as memory maps."""
    parallel = joblib.Parallel(n_jobs=args.workers, batch_size=1, return_as="generator_unordered")
    yield from parallel(
        joblib.delayed(train_one)(text_of(code), space.decode(code), data, settings, args.training_seed)
        for code in codes
    )


def train_one(
    code: str, architecture: Architecture, data: DataSplits, settings: TrainSettings, seed: int
) -> dict[str, Any]:
    torch.set_num_threads(1)
    started = time.perf_counter()
    counts = count_architecture(architecture)
    accelerator = make_accelerator(settings.precision)
    with seeded(seed):
        network = Network(architecture, drop_path=settings.drop_path, dropout=settings.dropout)
    task = ChildTask(
        network, data, settings, augmentation=data.augmentation, seed=seed, accelerator=accelerator
    )
    last = {"val_accuracy": 0.0, "train_loss": float("nan")}
    accuracy = 0.0  # of one that diverges: it is worth nothing
    try:
        with large_pages():
            for epoch in range(settings.epochs):
                last = task.run_epoch(epoch, lambda done, total: None)
            task.finish()
            test = evaluation_loader(data.test, data, settings, accelerator=accelerator)
            accuracy = evaluate(network, test, accelerator=accelerator).top1
    except TrainingError as error:
        print(f"{code}: {error}", file=sys.stderr)
    return {
        "code": code,
        "accuracy": round(accuracy, 6),
        "val_accuracy": round(last["val_accuracy"], 6),
        "train_loss": round(last["train_loss"], 6),
        "seconds": round(time.perf_counter() - started, 2),
        "num_params": counts.num_params,
        "num_macs": counts.num_macs,
    }


if __name__ == "__main__":
    main()
