"""Settings of all tests; the environment of tests/tflite_runtime has neither torch nor hypothesis."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("hypothesis"):
    from hypothesis import settings

    # CI's machines are shared: an example that takes long there says nothing.
    settings.register_profile("fbsearch", deadline=None)
    settings.load_profile("fbsearch")

if find_spec("torch"):
    import torch

    # Test processes run side by side on small networks: more threads would only get in their way.
    torch.set_num_threads(1)
