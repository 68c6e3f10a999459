"""One search by scores, whoever scores, with a worker or all of it killed in mid-run: one population?

    python tools/bench/evolution.py --space cifar --budget=--max-params=200k --steps 500 --repeats 3 \\
        --out evolution.json

Ways: alone; two worker processes; two, one of which is killed in mid-run; two, all killed in mid-run and
resumed; Ray on this computer, where it is installed. Each is a command of its own in a fresh folder, the ways
in turn in every repeat. The final population and the finalists must be the same bytes. Steps per second
are of the search alone, workers' start included. Exits with 1 if any result differs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

SAME = ("scored", "finalists", "chosen")
"""Of the result: what must not depend on who scored."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="cifar")
    parser.add_argument("--budget", action="append", default=[], help="An option of fbsearch search.")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    command = [
        *("search", "--method", "zen", "--space", args.space, "--steps", str(args.steps)),
        *("--seed", str(args.seed), "--quiet", *(args.budget or ["--max-params=200k"])),
    ]
    rows = [row for repeat in range(args.repeats) for row in run_all(command, args.steps, repeat)]
    same = len({row["population"] for row in rows}) == 1
    summary = {way: summarise([row for row in rows if row["way"] == way]) for way in ways()}
    args.out.write_text(json.dumps({"same_population": same, "ways": summary, "runs": rows}, indent=1))
    for way, one in summary.items():
        rate = one["steps_per_second"]
        print(f"{way}: {'' if rate is None else f'{rate:.3g} steps/s, '}{one['seconds']:.4g} s in all")
    print("the same population in every run" if same else "POPULATIONS DIFFER")
    return 0 if same else 1


def ways() -> list[str]:
    found = ["alone", "2 workers", "2 workers, one killed", "2 workers, killed and resumed"]
    return [*found, "Ray of 2"] if importlib.util.find_spec("ray") else found


def run_all(command: Sequence[str], steps: int, repeat: int) -> list[dict[str, Any]]:
    """A run in every way."""
    moments, rows = random.Random(repeat), []
    for way in ways():
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "run"
            started = time.monotonic()
            run_way(way, [*command, "--out", str(out)], out, moments)
            row = {"way": way, "repeat": repeat, "seconds": time.monotonic() - started, **read(out, steps)}
        print(json.dumps({key: value for key, value in row.items() if key != "population"}), flush=True)
        rows.append(row)
    return rows


def run_way(way: str, command: Sequence[str], out: Path, moments: random.Random) -> None:
    workers = {"alone": "1", "Ray of 2": "ray"}.get(way, "2")
    process = start([*command, "--workers", workers])
    if "killed" in way:
        wait_for_generation(out, process)
        time.sleep(moments.uniform(0, 2))
        if way.endswith("one killed"):
            kill_one_worker(process)
        else:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process = start([*command, "--workers", workers, "--resume"])
    if process.wait():
        raise SystemExit(f"{way}: fbsearch ended with {process.returncode}")


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "fbsearch", *command], start_new_session=True, env=environment
    )


def wait_for_generation(out: Path, process: subprocess.Popen[bytes]) -> None:
    """Until some generations are in the metrics."""
    metrics = out / "search" / "metrics.jsonl"
    while process.poll() is None:
        if metrics.exists() and len(metrics.read_text().splitlines()) >= 2:
            return
        time.sleep(0.05)
    raise SystemExit("the search ended before it could be killed: give more --steps")


def kill_one_worker(process: subprocess.Popen[bytes]) -> None:
    """The busiest of loky's workers."""
    children = psutil.Process(process.pid).children(recursive=True)
    workers = [one for one in children if "popen_loky" in " ".join(one.cmdline())]
    if not workers:
        raise SystemExit(f"no worker among {[' '.join(one.cmdline()) for one in children]}")
    max(workers, key=lambda one: sum(one.cpu_times()[:2])).kill()


def read(out: Path, steps: int) -> dict[str, Any]:
    """The population's bytes, and what the search took."""
    result = json.loads((out / "search" / "result.json").read_text())
    return {
        "population": json.dumps({name: result[name] for name in SAME}, sort_keys=True),
        "search_seconds": result["seconds"],
        "steps": steps,
    }


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Medians over the repeats; of a resumed search only the second try is timed, so it has no rate."""
    return {
        "seconds": statistics.median(row["seconds"] for row in rows),
        "steps_per_second": None
        if rows[0]["way"].endswith("resumed")
        else statistics.median(row["steps"] / row["search_seconds"] for row in rows),
    }


if __name__ == "__main__":
    sys.exit(main())
