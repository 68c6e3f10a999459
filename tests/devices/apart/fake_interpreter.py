"""A TFLite interpreter for the processes of models: a model is the words that say what it does, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

_MODULE = """
import ctypes, os, sys, time
import numpy as np

class Interpreter:
    def __init__(self, model_content, num_threads):
        self._words = model_content.decode().split()
        print("hello from", self._words, file=sys.stderr, flush=True)

    def _at(self, moment):
        if self._words[0] != moment:
            return
        what = self._words[1]
        if what == "crash":
            ctypes.string_at(0)
        elif what == "abort":
            os.abort()
        elif what == "leave":
            os._exit(3)
        elif what == "raise":
            raise KeyError("something foreign")
        elif what == "refuse":
            raise ValueError("something of its own")
        elif what == "hang":
            time.sleep(600)
        elif what == "speak":  # whoever has taken over the process answers what it likes
            from multiprocessing.connection import Connection
            Connection(int(sys.argv[2])).send_bytes(bytes.fromhex(self._words[2]))

    def allocate_tensors(self):
        self._at("open")

    def get_input_details(self):
        return [{"shape": np.array([1, 2, 2, 1]), "index": 0, "dtype": np.float32, "name": "input"}]

    def get_output_details(self):
        return [{"index": 1}]

    def set_tensor(self, index, values):
        self._at("set")

    def invoke(self):
        self._at("invoke")

    def get_tensor(self, index):
        self._at("get")
        return np.zeros((1, 3), np.float32)
"""


def install_fake_interpreter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have processes that start from now on import it; this one has imported the real one."""
    package = folder / "ai_edge_litert"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text(_MODULE)
    monkeypatch.syspath_prepend(str(folder))
