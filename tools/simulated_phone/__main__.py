"""``python -m tools.simulated_phone``: a simulated phone until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import get_args

from tools.simulated_phone.faults import read_faults
from tools.simulated_phone.phone import SimulatedPhone
from tools.simulated_phone.profile import Accelerator, BenchmarkFormat, profile_names, read_profile


def main() -> int:
    """Start a phone, tell its port, wait for the end."""
    options = _parser().parse_args()
    authorised = [file.read_text(encoding="utf-8") for file in options.authorised]
    chosen = {"benchmark_format": options.format, "gpu": options.gpu, "nnapi": options.nnapi}
    overrides = {name: value for name, value in chosen.items() if value is not None}
    phone = SimulatedPhone(
        options.folder,
        profile=replace(read_profile(options.profile), **overrides),
        port=options.port,
        serial=options.serial,
        authorised=None if options.no_auth else authorised,
        approve_after_s=options.approve_after,
        faults=read_faults(options.faults) if options.faults else (),
        log=options.log,
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with phone:
        print(
            f"{options.profile} listens on 127.0.0.1:{phone.port}, files in {phone.sandbox.root}", flush=True
        )
        while not ended.wait(1):
            pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.simulated_phone", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the phone's files lie")
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0 takes a free one (default)")
    parser.add_argument("--profile", choices=profile_names(), default="pixel", help="kind of phone")
    ages, answers = get_args(BenchmarkFormat), get_args(Accelerator)
    parser.add_argument("--format", choices=ages, help="age of benchmark_model's output")
    parser.add_argument("--gpu", choices=answers, help="what becomes of a request for the GPU delegate")
    parser.add_argument("--nnapi", choices=answers, help="likewise for NNAPI")
    parser.add_argument("--serial", default="SIM0000001", help="what getprop ro.serialno says")
    parser.add_argument("--no-auth", action="store_true", help="let every host in")
    parser.add_argument(
        "--authorised",
        type=Path,
        action="append",
        default=[],
        metavar="KEY.pub",
        help="a host that is let in",
    )
    parser.add_argument(
        "--approve-after",
        type=float,
        metavar="SECONDS",
        help="allow a new key after so long; otherwise never",
    )
    parser.add_argument("--faults", type=Path, metavar="PLAN.json", help="what goes wrong; see README.md")
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="write every event there, one JSON line each"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
