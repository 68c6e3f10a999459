"""The journal of scores: each on disk as soon as it is known, so that a kill loses none.

A text file of one JSON object per line: a header, then scores. It is only ever appended to; a kill can tear
the last line, which is cut off. A score is found again by what it depends on, so that one file serves other
proxies, other settings and other networks too.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from fbsearch.architecture import Architecture
from fbsearch.errors import CheckpointError, UnreadableFileError
from fbsearch.files import LINES_BYTES, check_regular, parse_json, read_open, sync_folder
from fbsearch.ownership import owned

FORMAT = "fbsearch.proxy_scores"
VERSION = 1

_HEADER = {"format": FORMAT, "version": VERSION}
_FIELDS = {"key", "network", "proxy", "score", "std", "seconds", "reason"}


@dataclass(frozen=True)
class JournalledScore:
    """A score, or why there is none.

    Args:
        key: of all that it depends on.
        network: as people call it.
        proxy: its name.
        score: the mean of its repeats; None where there is none.
        std: standard deviation of a repeat.
        seconds: that it took, in a process of one thread.
        reason: why there is no score.
    """

    key: str
    network: str
    proxy: str
    score: float | None
    std: float
    seconds: float
    reason: str | None = None

    @property
    def rank_score(self) -> float:
        """The score; -inf, which ranks last, where there is none."""
        return -math.inf if self.score is None else self.score


def score_key(architecture: Architecture, proxy: str, settings: Mapping[str, Any]) -> str:
    """A short text for a network's nodes, a proxy and settings, JSON-like, that it depends on."""
    nodes = architecture.to_dict()["nodes"]
    content = json.dumps([nodes, proxy, dict(settings)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


class ScoreJournal:
    """An open journal, ours alone until it is closed.

    Args:
        path: the file; created where it is absent, continued where it is there.

    Raises:
        CheckpointError: if it is damaged anywhere but at its end, cannot be written, or is another's now.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._scores: dict[str, JournalledScore] = {}
        with ExitStack() as held:
            held.enter_context(owned(path, error=CheckpointError, remedy="choose another --out"))
            try:
                self._file = held.enter_context(path.open("a+b", buffering=0))
                sync_folder(path.parent)
            except OSError as error:
                raise self._unwritable(error) from None
            self._read_or_begin()
            self._held = held.pop_all()

    def __enter__(self) -> ScoreJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def __contains__(self, key: str) -> bool:
        return key in self._scores

    def __getitem__(self, key: str) -> JournalledScore:
        return self._scores[key]

    def add(self, scores: Iterable[JournalledScore]) -> None:
        """Put scores on disk, all of one network at once.

        Raises:
            CheckpointError: if the disk does not take them.
        """
        for score in scores:
            self._write(vars(score))
            self._scores[score.key] = score
        os.fsync(self._file.fileno())

    def _read_or_begin(self) -> None:
        content = self._content()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._file.truncate(len(whole))
        lines = whole.splitlines()
        if not lines:
            self._write(_HEADER)
            return
        if self._parse(lines[0], 1) != _HEADER:
            raise CheckpointError(
                f"{self.path}: no journal of scores of this fbsearch's version; move it away"
            )
        for number, line in enumerate(lines[1:], start=2):
            score = self._score(self._parse(line, number), number)
            self._scores[score.key] = score

    def _content(self) -> bytes:
        try:
            check_regular(self.path)  # a pipe has no start to go to
            self._file.seek(0)
            return read_open(self._file, most_bytes=LINES_BYTES)
        except UnreadableFileError as error:
            raise CheckpointError(f"{self.path}: no journal of scores: {error}; move it away") from None

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row = parse_json(line.decode())
        except (UnreadableFileError, UnicodeDecodeError):
            row = None
        if not isinstance(row, dict):
            raise self._damaged(number)
        return row

    def _score(self, row: dict[str, Any], number: int) -> JournalledScore:
        texts = [row.get("key"), row.get("network"), row.get("proxy"), row.get("reason") or ""]
        figures = [row.get("std"), row.get("seconds"), 0.0 if row.get("score") is None else row["score"]]
        is_sound = set(row) == _FIELDS and all(isinstance(text, str) for text in texts)
        if not is_sound or not all(map(_is_number, figures)):
            raise self._damaged(number)
        return JournalledScore(**row)

    def _damaged(self, number: int) -> CheckpointError:
        return CheckpointError(
            f"{self.path}: line {number} is damaged; delete that line to keep the others, "
            "or the file to start over"
        )

    def _write(self, row: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> CheckpointError:
        return CheckpointError(
            f"{self.path}: cannot write: {error.strerror or error}; what was scored so far is kept: "
            "put that right, or choose another --out"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
