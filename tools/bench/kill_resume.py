"""Kills a profile, a search and a training with SIGKILL at random moments, resumes them, and compares.

    python tools/bench/kill_resume.py --kills 5 --seed 0

Each trial starts a command in a fresh folder, kills it at a random moment of its duration (its start-up
included), and starts the same command with --resume. A search and a training must end with the same bytes as
one that was never killed. A profile's measurements differ from run to run; its table must be complete, and
every round that was in the journal at the kill must be in the table. Exits with 1 if any trial fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SPACE = """\
name: kill-test
resolution: 16
in_channels: 1
num_classes: 10
stem: {channels: 8, stride: 1}
stages:
  - {channels: 16, layers: 2, stride: 2}
candidates: [k3_e3, k5_e3, k3_e6, skip]
"""


@dataclass(frozen=True)
class Case:
    """A command to kill.

    Args:
        name: what to call it.
        arguments: of fbsearch, given the run's folder.
        resumes: whether the second start needs --resume.
        at_kill: what to remember at the kill.
        differs: what is wrong with a resumed folder, given the reference folder and what was remembered.
    """

    name: str
    arguments: Callable[[Path], list[str]]
    resumes: bool
    at_kill: Callable[[Path], list[str]]
    differs: Callable[[Path, Path, list[str]], str | None]


def same_bytes(*names: str) -> Callable[[Path, Path, list[str]], str | None]:
    def differs(folder: Path, reference: Path, remembered: list[str]) -> str | None:
        for name in names:
            if (folder / name).read_bytes() != (reference / name).read_bytes():
                return f"{name} differs"
        return None

    return differs


def journal_rounds(folder: Path) -> list[str]:
    """The raw values of every complete round in a profile's journal."""
    path = folder / "table.json.partial"
    if not path.exists():
        return []
    rounds = []
    for line in path.read_text().split("\n")[:-1]:
        event = json.loads(line)
        if "round_us" in event:
            rounds.append(json.dumps([event["operator"], event["round_us"]]))
    return rounds


def lost_rounds(folder: Path, reference: Path, remembered: list[str]) -> str | None:
    table = json.loads((folder / "table.json").read_text())
    complete = json.loads((reference / "table.json").read_text())
    if set(table["entries"]) != set(complete["entries"]):
        return "the table lacks entries"
    kept = {
        json.dumps([key, values]) for key, entry in table["entries"].items() for values in entry["rounds_us"]
    }
    discarded = sum(entry["num_discarded"] for entry in table["entries"].values())
    lost = [one for one in remembered if one not in kept]
    return f"{len(lost)} rounds lost" if len(lost) > discarded else None


def run(arguments: list[str], *, kill_after: float | None = None) -> float:
    """Run fbsearch; its duration. Killed ones return at once."""
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "fbsearch", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, errors = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return time.monotonic() - start
    if process.returncode:
        raise SystemExit(f"fbsearch {' '.join(arguments)} failed: {errors.decode()[-2000:]}")
    return time.monotonic() - start


def cases(space: Path, table: Path) -> list[Case]:
    search = [
        "--set",
        "epochs=8",
        "--set",
        "warmup_epochs=2",
        "--set",
        "batch_size=64",
        "--set",
        "num_finalists=2",
    ]
    train = [
        "--set",
        "epochs=8",
        "--set",
        "drop_path=0.1",
        "--set",
        "ema_decay=0.99",
        "--set",
        "mixup_alpha=0.2",
    ]
    return [
        Case(
            "profile",
            lambda out: [
                "profile",
                "--space",
                str(space),
                "--out",
                str(out / "table.json"),
                "--set",
                "max_rounds=16",
            ],
            False,
            journal_rounds,
            lost_rounds,
        ),
        Case(
            "search",
            lambda out: [
                *("search", "--space", str(space), "--table", str(table), "--data", "digits"),
                *("--budget-ms", str(middle_ms(table)), "--out", str(out), *search),
            ],
            True,
            lambda folder: [],
            same_bytes("search/inherited.safetensors", "architecture.json", "search/metrics.jsonl"),
        ),
        Case(
            "train",
            lambda out: [
                "train",
                str(table.parent / "architecture.json"),
                "--data",
                "digits",
                "--out",
                str(out),
                *train,
            ],
            True,
            lambda folder: [],
            same_bytes("weights.safetensors", "train/metrics.jsonl"),
        ),
    ]


def middle_ms(table: Path) -> float:
    """A budget within the range of the test's space: its fixed operators and one of its slowest layers."""
    entries = json.loads(table.read_text())["entries"]
    fixed = sum(
        e["latency_us"] for key, e in entries.items() if key.startswith(("conv_k3_s1_relu_c1-", "classifier"))
    )
    layers = max(e["latency_us"] for key, e in entries.items() if key.startswith("mbconv"))
    return round((fixed + layers) / 1000, 4)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    moments = random.Random(args.seed)
    failures = 0
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        space = root / "space.yaml"
        space.write_text(SPACE)
        os.environ["FBSEARCH_CACHE"] = str(root / "cache")
        table = root / "profile-reference" / "table.json"
        for case in cases(space, table):
            reference = root / f"{case.name}-reference"
            duration = run(case.arguments(reference))
            if case.name == "profile":  # a second time with everything converted, as the trials will find it
                duration = run(case.arguments(root / "profile-warm"))
            if case.name == "search":
                (reference / "architecture.json").replace(table.parent / "architecture.json")
                (reference / "architecture.json").write_bytes(
                    (table.parent / "architecture.json").read_bytes()
                )
            for trial in range(args.kills):
                folder = root / f"{case.name}-{trial}"
                moment = moments.uniform(0.15, 0.98) * duration
                run(case.arguments(folder), kill_after=moment)
                remembered = case.at_kill(folder)
                run([*case.arguments(folder), *(["--resume"] if case.resumes else [])])
                problem = case.differs(folder, reference, remembered)
                failures += problem is not None
                detail = f", {len(remembered)} rounds in the journal" if remembered else ""
                print(
                    f"{case.name}: killed after {moment:5.1f} of {duration:.1f} s{detail}: "
                    f"{problem or 'same result'}",
                    flush=True,
                )
    print(f"{failures} of {3 * args.kills} trials failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
