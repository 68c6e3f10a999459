"""Hostile files of every kind: refused in words of ours, in seconds, within bounded memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fbsearch.errors import UnreadableFileError
from tools.fuzz.kind import Kind
from tools.fuzz.trial import try_case

REPOSITORY = Path(__file__).parents[2]
NUM_CASES = 100_000


def fuzz(num_cases: int, seed: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.fuzz", "--cases", str(num_cases), "--seed", str(seed)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_file_ends_in_an_exception_that_is_not_ours():
    factor = float(os.environ.get("FBSEARCH_FUZZ_FACTOR", "0.1"))
    done = fuzz(int(NUM_CASES * factor), seed=1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 findings" in done.stdout


def crash(path: Path) -> None:
    raise KeyError(path.name)


def refuse(path: Path) -> None:
    raise UnreadableFileError("no")


def refuse_at_length(path: Path) -> None:
    raise UnreadableFileError("no\nno")


def accept(path: Path) -> None:
    path.exists()


@pytest.mark.parametrize(
    ("read", "verdict"),
    [(crash, "foreign"), (refuse, "refused"), (refuse_at_length, "foreign"), (accept, "accepted")],
)
def test_an_outcome_is_told_and_the_sound_file_is_put_back(tmp_path, read, verdict):
    path = tmp_path / "file"
    path.write_bytes(b"sound")
    kind = Kind("file", path, lambda content, rng: content + b"!", read)
    for case in range(60):
        outcome = try_case(kind, f"0/{case}")
        assert outcome.verdict == verdict
        assert path.read_bytes() == b"sound"
    assert ("KeyError" in outcome.where) == (read is crash)


def test_a_hang_is_ended(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"sound")
    kind = Kind("file", path, lambda content, rng: content, lambda path: time.sleep(30), most_s=0.2)
    assert try_case(kind, "0").verdict == "slow"


def test_a_case_that_only_waits_for_the_processor_is_no_finding(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"sound")
    kind = Kind("file", path, lambda content, rng: content, lambda path: time.sleep(0.3), most_s=0.2)
    assert try_case(kind, "0").is_finding
    assert not try_case(kind, "0", clock=time.process_time, patience=12.0).is_finding
    assert try_case(kind, "0", clock=time.process_time, patience=1.0).is_finding, "it never ends"
