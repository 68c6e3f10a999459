"""The process that runs models: it loads the interpreter once and forks for every launch.

The daemon's threads would disturb a model's timing, and importing an interpreter for every launch would take
longer than most launches. A fork has everything loaded, and dies alone.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import struct
import sys
import threading

import ai_edge_litert.interpreter  # noqa: F401  # loaded here so that every fork has it
import numpy  # noqa: F401  # likewise

from tools.simulated_phone.benchmark import run_benchmark
from tools.simulated_phone.launch import Launch
from tools.simulated_phone.perf_test import run_perf_test

_PROGRAMS = {"benchmark_model": run_benchmark, "onnxruntime_perf_test": run_perf_test}
_MAX_REQUEST = 1 << 20


def main() -> None:
    """Take launches from the daemon until it ends."""
    daemon = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, descriptors, _, _ = socket.recv_fds(daemon, _MAX_REQUEST, 3)
        if not request:
            return
        launch = Launch(**json.loads(request))
        if launch.program == "onnxruntime_perf_test":
            import onnxruntime  # noqa: F401  # once, for the forks of later launches too
        if os.fork() == 0:
            daemon.close()
            _carry_out(launch, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _carry_out(launch: Launch, client: int, out: int, err: int) -> None:
    """Run a program in this fork; its caller learns the exit code, and its caller's end ends it."""
    code = 70
    gc.disable()
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        connection = socket.socket(fileno=client)
        threading.Thread(target=_end_with_caller, args=(connection,), daemon=True).start()
        os.chdir(launch.folder)
        code = _PROGRAMS[launch.program](launch)
        launch.finish()
        connection.send(struct.pack("<cB", b"X", code))
    except BrokenPipeError:
        code = 141
    finally:
        os._exit(code)


def _end_with_caller(connection: socket.socket) -> None:
    while connection.recv(64):
        pass
    os._exit(129)


if __name__ == "__main__":
    main()
