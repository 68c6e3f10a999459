"""This side: a process for one model, asked over a socket, and what its end means."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from fbsearch.devices.apart.messages import pack, unpack
from fbsearch.errors import MeasurementError

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from fbsearch.devices.apart.worker import main; main(int(sys.argv[2]))"
)
ADVICE = "the file is damaged, or not what fbsearch exported: export the model again"

_PATIENCE_S = 120.0
_END_S = 2.0
_MAX_ANSWER_BYTES = 1 << 30


class ModelProcess:
    """A process that runs one model.

    Args:
        model: the file, for messages.
        patience_s: how long an answer may take.
    """

    def __init__(self, model: Path, *, patience_s: float = _PATIENCE_S) -> None:
        self._model = model
        self._patience_s = patience_s
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = _started(theirs.fileno())
        self._connection = Connection(ours.detach())

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def ask(
        self, fields: Mapping[str, Any], values: np.ndarray | None = None
    ) -> tuple[dict[str, Any], np.ndarray]:
        """Have the process do something, and wait for what comes of it.

        Raises:
            MeasurementError: if that is an error, the process crashes, or no answer comes in time.
        """
        try:
            self._connection.send_bytes(pack(fields, values))
            if not self._connection.poll(self._patience_s):
                self._process.kill()
                raise MeasurementError(
                    f"{self._model}: gave no answer within {self._patience_s:g} s; is it far larger than it "
                    "should be? export the model again"
                )
            answer, outputs = unpack(self._connection.recv_bytes(_MAX_ANSWER_BYTES))
        except (EOFError, OSError):
            raise MeasurementError(f"{self._model}: {self._end()}") from None
        except ValueError:
            raise MeasurementError(f"{self._model}: its process answers nonsense; {ADVICE}") from None
        if "error" in answer:
            raise MeasurementError(" ".join(str(answer["error"]).split()))
        return answer, outputs

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _end(self) -> str:
        """How the process came to its end, by itself."""
        self.close()
        code = self._process.returncode
        name = f"exit code {code}"
        with suppress(ValueError):
            name = signal.Signals(-code).name
        return f"its runtime crashed on this model ({name}); {ADVICE}"


def _started(file_descriptor: int) -> subprocess.Popen[bytes]:
    """The process, with our modules' paths, out of reach of the terminal's keys, as quiet as can be."""
    return subprocess.Popen(
        [sys.executable, "-I", "-c", _PROGRAM, json.dumps(sys.path), str(file_descriptor)],
        pass_fds=[file_descriptor],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
