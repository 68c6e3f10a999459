"""One hostile file, read: accepted, refused in words of ours, or a finding."""

from __future__ import annotations

import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbsearch.errors import FbsearchError
from tools.fuzz.contents import any_bytes, put_other
from tools.fuzz.kind import Kind

Clock = Callable[[], float]


class HangError(BaseException):
    """It took longer than its kind may."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Args:
        kind: of the file.
        seed: that makes the case again.
        verdict: ``accepted``, ``refused``, ``foreign`` or ``slow``.
        where: for a finding, the exception and the last place of ours that it went through.
        seconds: that it took.
    """

    kind: str
    seed: str
    verdict: str
    where: str
    seconds: float

    @property
    def is_finding(self) -> bool:
        """Whether it is what is looked for."""
        return self.verdict in ("foreign", "slow")


def try_case(kind: Kind, seed: str, *, clock: Clock = time.perf_counter, patience: float = 1.0) -> Outcome:
    """Put a changed file in the place of the sound one, read it, and put the sound one back.

    Args:
        kind: of the file.
        seed: of the change.
        clock: whose seconds count.
        patience: times the kind's bound, after which it is ended by the clock on the wall.
    """
    rng = random.Random(seed)
    sound = kind.path.read_bytes()
    started = clock()
    try:
        _put(kind, sound, rng)
        started = clock()
        verdict, where = _read(kind, patience)
    finally:
        _restore(kind.path, sound)
    seconds = clock() - started
    return Outcome(kind.name, seed, "slow" if seconds > kind.most_s else verdict, where, seconds)


def _put(kind: Kind, sound: bytes, rng: random.Random) -> None:
    share = rng.random()
    if share < 0.02:
        put_other(kind.path, rng)
    elif share < 0.15:
        kind.path.write_bytes(any_bytes(sound, rng))
    else:
        with suppress(ValueError, OverflowError):
            kind.path.write_bytes(kind.change(sound, rng))


def _read(kind: Kind, patience: float) -> tuple[str, str]:
    try:
        with _at_most(kind.most_s * patience):
            kind.read(kind.path)
    except FbsearchError as error:
        is_line = "\n" not in str(error)
        return ("refused", "") if is_line else ("foreign", f"lines in {type(error).__name__}")
    except HangError as error:
        return "slow", _where(error)
    except Exception as error:  # just what is looked for
        return "foreign", _where(error)
    return "accepted", ""


def _where(error: BaseException) -> str:
    frames = [one for one in traceback.extract_tb(error.__traceback__) if "/fbsearch/" in one.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "outside"
    return f"{type(error).__name__} at {place}: {str(error)[:100]!a}"


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def end(*_: Any) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _restore(path: Path, sound: bytes) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.write_bytes(sound)
