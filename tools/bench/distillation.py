"""What a pretrained teacher is worth to a user with few images.

    python tools/bench/distillation.py cifar10.zip --images 500 --epochs 60 --out distillation.json

Trains a small network of the cifar space on so many images of the data, with and without a teacher, and
tests it. A seed draws the training images, the first weights and all the rest, so that the arms of one seed
differ in nothing but the teacher. Every training is a row of the file, written when it has ended; a second
call goes on where the first was stopped, within a training too.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fbsearch.architecture import Architecture
from fbsearch.costs import count_architecture
from fbsearch.data import DataSplits, load_data
from fbsearch.files import read_json, write_json
from fbsearch.nn import Network
from fbsearch.spaces import load_space
from fbsearch.train import DistillationSettings, TrainSettings, train_network

ARMS: dict[str, dict[str, int] | None] = {
    "alone": None,
    "soft labels": {"soft_weight": 1, "feature_weight": 0},
    "features": {"soft_weight": 0, "feature_weight": 1},
    "soft labels and features": {"soft_weight": 1, "feature_weight": 1},
}
TEACHER = "fbsearch.train.distillation.teachers:efficientnet_lite0"


def main() -> None:
    args = parsed()
    chosen = vars(args).items()
    identity = {name: value for name, value in chosen if name not in ("arms", "seeds", "out", "work")}
    identity["source"] = Path(args.source).name
    rows = rows_before(args.out, identity)
    done = {(row["arm"], row["seed"]) for row in rows}
    for seed, arm in product(args.seeds, args.arms):
        if (arm, seed) not in done:
            rows.append(trained(args, arm, seed))
            write_json(args.out, {"settings": identity, "rows": rows})
            print(f"seed {seed}, {arm}: {rows[-1]['test_accuracy']:.2%}", flush=True)
    summarise(rows, args.arms, args.seeds)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="images, as fbsearch train --data takes them")
    parser.add_argument("--images", type=int, default=500, help="to train on")
    parser.add_argument("--test-images", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--teacher", default=TEACHER)
    parser.add_argument("--resolution", type=int, default=128, help="of the teacher's images")
    parser.add_argument("--augmented-epochs", type=int, default=8, help="whose answers are kept; 0: none")
    parser.add_argument("--soft-weight", type=float, default=0.5)
    parser.add_argument("--feature-weight", type=float, default=1.0)
    parser.add_argument("--temperature", type=float, help="by default as fbsearch sets it")
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="folder of the trainings; by default beside --out")
    return parser.parse_args()


def rows_before(out: Path, identity: dict[str, Any]) -> list[dict[str, Any]]:
    if not out.exists():
        return []
    found = read_json(out)
    if found["settings"] != identity:
        raise SystemExit(f"{out} holds trainings with other settings: choose another --out")
    return list(found["rows"])


def trained(args: argparse.Namespace, arm: str, seed: int) -> dict[str, Any]:
    data, architecture = images_of(args, seed), small_network()
    torch.manual_seed(seed)
    network = Network(architecture)
    start = time.perf_counter()
    result = train_network(
        network,
        data,
        settings_of(args, arm),
        folder=(args.work or args.out.with_suffix(".trainings")) / f"{arm.replace(' ', '-')}-{seed}",
        augmentation=data.augmentation,
        seed=seed,
        resume=True,
        progress=sys.stderr.isatty(),
    )
    counts = count_architecture(architecture)
    return {
        "arm": arm,
        "seed": seed,
        "test_accuracy": result.test.top1,
        "test_images": result.test.num_samples,
        "train_images": len(data.train),
        "num_params": counts.num_params,
        "num_macs": counts.num_macs,
        "teacher_val_accuracy": result.teacher.val_accuracy if result.teacher else None,
        "seconds": time.perf_counter() - start,
    }


def images_of(args: argparse.Namespace, seed: int) -> DataSplits:
    data = load_data(args.source, limit=args.images, eval_limit=args.test_images, seed=seed, resolution=32)
    # Few validation images: nothing is chosen by them, and they are classified in every epoch.
    return replace(data, val=data.val.subset(np.arange(min(500, len(data.val)))))


def small_network() -> Architecture:
    """The cifar space's network of 3 x 3 kernels and expansion 3, but for the blocks of expansion 1."""
    space = load_space("cifar")
    names = [[candidate.name for candidate in decision.candidates] for decision in space.decisions]
    return space.decode(tuple(one.index("k3_e3") for one in names))


def settings_of(args: argparse.Namespace, arm: str) -> TrainSettings:
    weights = ARMS[arm]
    distillation = (
        None
        if weights is None
        else DistillationSettings(
            teacher=args.teacher,
            resolution=args.resolution,
            temperature=args.temperature,
            augmented_epochs=args.augmented_epochs,
            soft_weight=weights["soft_weight"] * args.soft_weight,
            feature_weight=weights["feature_weight"] * args.feature_weight,
        )
    )
    return TrainSettings(
        epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        weight_decay=5e-4,
        warmup_epochs=min(5, args.epochs / 4),
        clip_norm=5.0,
        distillation=distillation,
    )


def summarise(rows: Sequence[dict[str, Any]], arms: Sequence[str], seeds: Sequence[int]) -> None:
    by_run = {(row["arm"], row["seed"]): row["test_accuracy"] for row in rows}
    base = np.array([by_run[arms[0], seed] for seed in seeds])
    print(f"\n{'arm':28}{'accuracy':>10}{'of seeds':>12}{'gain':>10}{'least':>10}   (against {arms[0]!r})")
    for arm in arms:
        values = np.array([by_run[arm, seed] for seed in seeds])
        gains = values - base
        spread = f"± {values.std():.2%}"
        print(f"{arm:28}{values.mean():>10.2%}{spread:>12}{gains.mean():>10.2%}{gains.min():>10.2%}")


if __name__ == "__main__":
    main()
