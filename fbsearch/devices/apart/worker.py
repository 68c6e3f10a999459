"""The other side: opens one model on this computer, and runs it as it is told, until nobody asks any more."""

from __future__ import annotations

import resource
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from fbsearch.devices.apart.messages import pack, unpack
from fbsearch.devices.local import LocalDevice
from fbsearch.devices.runner import Session
from fbsearch.errors import FbsearchError


def main(file_descriptor: int) -> None:
    """Serve whoever holds the other end.

    Args:
        file_descriptor: of our end.
    """
    _step_back()
    with Connection(file_descriptor) as connection, suppress(EOFError, OSError):
        Worker().serve(connection)


class Worker:
    """A model, once it was opened."""

    def __init__(self) -> None:
        self._session: Session | None = None

    def serve(self, connection: Connection) -> None:
        """Answer, one message after the other.

        Raises:
            EOFError: once the other end is closed.
        """
        while True:
            connection.send_bytes(self.answer(connection.recv_bytes()))

    def answer(self, message: bytes) -> bytes:
        """What a message asks for; an error of ours as its line."""
        fields, values = unpack(message)
        try:
            if fields["do"] == "open":
                return pack(self._open(fields))
            assert self._session is not None, "a model is opened before it runs"
            if fields["do"] == "invoke":
                return pack({"latencies_us": self._session.invoke(fields["count"])})
            return pack({}, self._session.run(values))
        except FbsearchError as error:
            return pack({"error": str(error)})

    def _open(self, fields: dict[str, Any]) -> dict[str, Any]:
        runner = LocalDevice().runner(
            fields["runtime"], threads=fields["threads"], precision=fields["precision"]
        )
        self._session = runner.open(Path(fields["model"]))
        return {
            "input_shape": np.array(self._session.input_shape).tolist(),
            "input_name": self._session.input_name,
        }


def _step_back() -> None:
    """Where memory runs out, the system is to end this process; where it crashes, no file is left."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
