"""Ends short runs by SIGTERM, by SIGKILL and by a full disk, resumes them, and compares what they found.

    python -m tools.bench.endings --terms 20 --kills 50 --sizes 20 --seed 0

Each trial starts a run in a fresh folder and ends it at a random moment of its duration, or gives it a disk
that is too small by a share; the same command with --resume must then end with the same architecture and the
same weights, to the byte. After SIGTERM the exit code is 143, and 2 with one line after a full disk; nothing
half written and no lock is left once the resumed run has ended. With ``--phone`` the runs measure on a
simulated phone, on which nothing may be left after SIGTERM. Exits with 1 if any trial fails. Small disks need
``unshare`` (util-linux).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from tools.simulated_phone.phone import SimulatedPhone

REPOSITORY = Path(__file__).parents[2]
SPACE = """\
name: endings
resolution: 16
in_channels: 1
num_classes: 10
stem: {channels: 8, stride: 1}
stages:
  - {channels: 16, layers: 2, stride: 2}
candidates: [k3_e3, k5_e3, skip]
"""
SETTINGS = (
    "budget_ms=100",
    "data.limit=400",
    "search.epochs=4",
    "search.warmup_epochs=1",
    "search.num_finalists=1",  # else measured latencies, which vary, choose
    "confirm.num_networks=0",
    "profile.protocol.max_rounds=8",
    "train.epochs=4",
    "verify.num_samples=50",
)
PHONE_PROTOCOL = {
    "drift_tolerance": 5.0, "patience_s": 0, "cooldown_s": 0.1, "target_relative_ci": 0.5, "round_ms": 20,
    "min_rounds": 6, "max_rounds": 6, "initial_sentinel_readings": 2,
}  # fmt: skip
SAME = ("architecture.json", "weights.safetensors", "train/metrics.jsonl")
"""The search's metrics hold latencies, which each run measures for itself."""
MARGIN = 1.3
"""For what is there only while a file is replaced by its next."""
ON_PHONE = "/data/local/tmp/fbsearch"
ON_SMALL_DISK = """
mount -t tmpfs -o size="$1" small "$2" && shift 2 && "$@"
code=$?
cp -a "$DISK/run" "$KEPT"
exit $code
"""
UNSHARED = ("unshare", "--map-root-user", "--mount", "sh", "-c", ON_SMALL_DISK, "sh")


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code (below 0 a signal's number) and what it told."""

    code: int
    told: str


@dataclass(frozen=True)
class Desk:
    """Where runs are made: a folder, and a phone or this computer.

    Args:
        root: of the space, the devices and the runs.
        phone: simulated, or None.
    """

    root: Path
    phone: SimulatedPhone | None

    def command(self, out: Path) -> list[str]:
        """A run into a folder."""
        settings = [f"space.source={self.root / 'space.yaml'}", *SETTINGS]
        if self.phone is not None:
            settings.append("device.name=phone")
        words = [word for one in settings for word in ("--set", one)]
        return [sys.executable, "-m", "fbsearch", "run", "quickstart", "--out", str(out), "--quiet", *words]

    def ended(self, words: list[str], *, by: signal.Signals | None = None, after_s: float = 600) -> Outcome:
        """Run a command, and send it a signal after a while."""
        process = subprocess.Popen(
            words, cwd=self.root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            _, told = process.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(by or signal.SIGKILL)
            _, told = process.communicate(timeout=60)
        return Outcome(process.returncode, told)

    def on_small_disk(self, out: Path, *, num_bytes: int) -> Outcome:
        """Run on a disk of a size; what it held is in ``out`` afterwards."""
        disk = out.with_name("disk")
        disk.mkdir(exist_ok=True)
        words = [*UNSHARED, str(num_bytes), str(disk), *self.command(disk / "run")]
        environment = {**os.environ, "DISK": str(disk), "KEPT": str(out)}
        done = subprocess.run(
            words, cwd=self.root, capture_output=True, text=True, env=environment, check=False
        )
        return Outcome(done.returncode, done.stderr)

    def left_on_phone(self) -> bool:
        """Whether anything of ours is there."""
        return self.phone is not None and self.phone.sandbox.to_host(ON_PHONE).exists()


@dataclass(frozen=True)
class Trial:
    """One end of a run.

    Args:
        what: ends it, in words.
        codes: that it may end with, besides 0 where it was too quick.
        end: starts it in a folder and ends it.
        tidies: whether nothing may be left on a phone.
    """

    what: str
    codes: tuple[int, ...]
    end: Callable[[Path], Outcome]
    tidies: bool = False


def wrong_ending(desk: Desk, trial: Trial, outcome: Outcome) -> str | None:
    if "Traceback" in outcome.told:
        return f"a traceback: {outcome.told[-1500:]}"
    if outcome.code not in (0, *trial.codes):
        return f"exit code {outcome.code}: {outcome.told[-500:]}"
    return "files on the phone" if trial.tidies and desk.left_on_phone() else None


def wrong_result(desk: Desk, out: Path, reference: Path) -> str | None:
    """What differs once the same command has gone on, or None."""
    outcome = desk.ended([*desk.command(out), "--resume"])
    if outcome.code:
        return f"not resumed, exit code {outcome.code}: {outcome.told[-1500:]}"
    differing = [name for name in SAME if (out / name).read_bytes() != (reference / name).read_bytes()]
    left = [path.name for path in out.rglob(".*")]
    return f"{differing} differ, {left} left" if differing or left else None


def stage_of(out: Path) -> str:
    """The stage that had begun last, as the run's record tells; nothing where there is none."""
    record = out / "run.json"
    stages = yaml.safe_load(record.read_text()).get("stages", {}) if record.is_file() else {}
    return list(stages)[-1] if stages else "start"


def signalled(desk: Desk, by: signal.Signals, codes: tuple[int, ...], after_s: float) -> Trial:
    end = lambda out: desk.ended(desk.command(out), by=by, after_s=after_s)  # noqa: E731
    return Trial(f"{by.name} after {after_s:.1f} s", codes, end, tidies=by == signal.SIGTERM)


def crowded(desk: Desk, num_bytes: int) -> Trial:
    return Trial(f"{num_bytes / 1024:.0f} KiB", (2,), partial(desk.on_small_disk, num_bytes=num_bytes))


def make_trials(desk: Desk, options: argparse.Namespace, duration_s: float, num_bytes: int) -> list[Trial]:
    """The moments are spread over a run's duration, the sizes over what a run takes."""
    rng = random.Random(options.seed)

    def moments(number: int) -> list[float]:
        return [(index + rng.random()) / number * duration_s for index in range(number)]

    early = (143, -signal.SIGTERM)  # by itself, while Python still starts
    terms = [signalled(desk, signal.SIGTERM, early, after_s) for after_s in moments(options.terms)]
    kills = [
        signalled(desk, signal.SIGKILL, (-signal.SIGKILL,), after_s) for after_s in moments(options.kills)
    ]
    sizes = [
        int((index + rng.random()) / max(1, options.sizes) * num_bytes * MARGIN) + 4096
        for index in range(options.sizes)
    ]
    return [*terms, *kills, *(crowded(desk, size) for size in sizes)]


def whole_run(desk: Desk, reference: Path) -> tuple[float, int]:
    """A run's seconds, and the bytes that it takes, by the second of two: everything is converted then."""
    for _ in range(2):
        shutil.rmtree(reference, ignore_errors=True)
        start_s = time.monotonic()
        outcome = desk.ended(desk.command(reference))
        if outcome.code:
            raise SystemExit(f"the run itself failed: {outcome.told[-2000:]}")
    duration_s = time.monotonic() - start_s
    return duration_s, sum(path.stat().st_size for path in reference.rglob("*") if path.is_file())


def try_all(desk: Desk, options: argparse.Namespace) -> int:
    """Run the trials; the number of those that fail."""
    reference, out = desk.root / "reference", desk.root / "run"
    duration_s, num_bytes = whole_run(desk, reference)
    print(f"a run takes {duration_s:.1f} s and {num_bytes / 1024:.0f} KiB", flush=True)
    trials, failures, stages = make_trials(desk, options, duration_s, num_bytes), 0, Counter[str]()
    for trial in trials:
        outcome = trial.end(out)
        stages[stage := stage_of(out)] += 1
        problem = wrong_ending(desk, trial, outcome) or wrong_result(desk, out, reference)
        failures += problem is not None
        told = (outcome.told.strip().splitlines() or [""])[-1][:150]
        print(
            f"{trial.what}, in {stage}: exit {outcome.code}, {told}: {problem or 'same result'}", flush=True
        )
        shutil.rmtree(out, ignore_errors=True)
    print(f"{failures} of {len(trials)} trials failed; ended in {dict(stages)}")
    return failures


@contextmanager
def laid_desk(*, with_phone: bool) -> Iterator[Desk]:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        os.environ["FBSEARCH_CACHE"] = str(root / "cache")
        os.environ["PYTHONPATH"] = str(REPOSITORY)
        (root / "space.yaml").write_text(SPACE)
        phone = SimulatedPhone(root / "phone", authorised=[], approve_after_s=0.1) if with_phone else None
        with phone or nullcontext():
            if phone is not None:
                write_definition(root, phone)
            yield Desk(root, phone)


def write_definition(root: Path, phone: SimulatedPhone) -> None:
    os.environ["HOME"] = str(root)  # for a key of its own
    definition = {
        "name": "phone",
        "kind": "adb",
        "address": f"127.0.0.1:{phone.port}",
        "transport": "tcp",
        "binary": str(REPOSITORY / "tools/simulated_phone/benchmark_model"),
        "protocol": PHONE_PROTOCOL,
    }
    (root / "devices").mkdir()
    (root / "devices" / "phone.yaml").write_text(yaml.safe_dump(definition))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--terms", type=int, default=20, help="runs ended by SIGTERM")
    parser.add_argument("--kills", type=int, default=50, help="runs ended by SIGKILL")
    parser.add_argument("--sizes", type=int, default=20, help="runs on disks that are too small")
    parser.add_argument("--phone", action="store_true", help="measure on a simulated phone")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with laid_desk(with_phone=options.phone) as desk:
        return 1 if try_all(desk, options) else 0


if __name__ == "__main__":
    sys.exit(main())
