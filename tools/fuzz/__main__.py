"""Reads hostile files of every kind: ``python -m tools.fuzz --cases 100000 --seed 0``, from the root.

Prints every finding with the seed that makes its case again, and what became of all, kind by kind.
Exit code 1 if an exception was not ours, a case took over five seconds, or memory grew over its bound.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

from tools.fuzz.kind import Kind
from tools.fuzz.kinds import make_kinds
from tools.fuzz.trial import Outcome, try_case

MAX_BYTES = 1_500_000_000
_PATIENCE = 12.0
"""Times as long, for a case that took long while others had the processor."""

_ROOM_BYTES = 12 * 2**30
"""Of addresses, so that what allocates without end ends here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cases.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    resource.setrlimit(resource.RLIMIT_AS, (_ROOM_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with tempfile.TemporaryDirectory() as folder:
        outcomes = fuzz(Path(folder), options.cases, options.seed, only=options.only)
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    findings = tell(outcomes)
    print(f"{len(outcomes):,} cases, {findings} findings, peak memory {peak_bytes / 1e9:.2f} GB")
    return 1 if findings or peak_bytes > MAX_BYTES else 0


def fuzz(folder: Path, num_cases: int, seed: int, *, only: str | None = None) -> list[Outcome]:
    """So many cases, the kinds in turn."""
    kinds = [kind for kind in make_kinds(folder) if only in (None, kind.name)]
    here = Path.cwd()
    os.chdir(folder)  # a value may be the name of a file
    try:
        cases = islice(_in_turn(kinds), num_cases)
        return [_told(_tried(kind, f"{seed}/{case}")) for case, kind in enumerate(cases)]
    finally:
        os.chdir(here)


def _in_turn(kinds: Sequence[Kind]) -> Iterator[Kind]:
    for turn in count():
        yield from (kind for kind in kinds if turn % kind.every == 0)


def _tried(kind: Kind, seed: str) -> Outcome:
    """A case; of one that took long the processor's time counts, since others may use the computer."""
    outcome = try_case(kind, seed)
    if outcome.verdict != "slow":
        return outcome
    return try_case(kind, seed, clock=time.process_time, patience=_PATIENCE)


def tell(outcomes: Sequence[Outcome]) -> int:
    """Print the outcomes; the number of cases that are findings."""
    for kind in sorted({one.kind for one in outcomes}):
        mine = [one for one in outcomes if one.kind == kind]
        counts = Counter(one.verdict for one in mine)
        words = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(counts.items()))
        print(f"{kind:20} {words}, slowest {max(one.seconds for one in mine):.2f} s")
    return sum(one.is_finding for one in outcomes)


def _told(one: Outcome) -> Outcome:
    """An outcome; a finding is printed at once, so that a run that is broken off has told all."""
    if one.is_finding:
        print(f"{one.verdict}: {one.kind}, seed {one.seed}: {one.where}", flush=True)
    return one


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description="Read hostile files.")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one kind of file, by its name")
    return parser


if __name__ == "__main__":
    sys.exit(main())
