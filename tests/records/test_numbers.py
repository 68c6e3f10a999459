"""Numbers of files: none that JSON cannot hold, wherever a record or a setting is read."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from pydantic import BaseModel

import fbsearch

MODULES = [module.name for module in pkgutil.walk_packages(fbsearch.__path__, "fbsearch.")]


def models() -> list[type[BaseModel]]:
    for name in MODULES:
        if name.rpartition(".")[2] not in ("__main__", "worker"):
            importlib.import_module(name)
    found, queue = set[type[BaseModel]](), [BaseModel]
    while queue:
        for one in queue.pop().__subclasses__():
            if one.__module__.startswith("fbsearch.") and one not in found:
                found.add(one)
            queue.append(one)
    return sorted(found, key=lambda one: one.__qualname__)


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__qualname__)
def test_infinities_are_refused(model):
    assert model.model_config.get("allow_inf_nan") is False
