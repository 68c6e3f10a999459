"""CONTRIBUTING's recipes work: its operator, space and sampler keep the contracts, and search together."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")

EXAMPLES = re.compile(r"`(fbsearch/[\w/]+\.py)`:\n\n( *)```python\n(.*?)\n\2```", re.DOTALL)
"""A path, and the file that it is to hold."""

IMPORTS = {
    "fbsearch.architecture.operators": "depthwise import Depthwise",
    "fbsearch.nn.blocks": "depthwise import build",
    "fbsearch.spaces": "ladder import LadderDefinition",
    "fbsearch.search.trials": "hill_climbing import HillClimber",
}
"""What is added to the rooms' ``__init__.py``."""

SPACE = "{name: rungs, kind: ladder, resolution: 8, num_classes: 10, in_channels: 1, channels: 8, layers: 3}"
DEFINITION = {
    "name": "rungs", "kind": "ladder", "resolution": 8, "num_classes": 10, "channels": 8, "layers": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its contract tests, with the examples added."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("fbsearch", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for path, _, text in EXAMPLES.findall(TEXT):
        assert not (folder / path).exists(), path
        (folder / path).write_text(textwrap.dedent(text) + "\n", "utf-8")
    for room, line in IMPORTS.items():
        with (folder / room.replace(".", "/") / "__init__.py").open("a", encoding="utf-8") as file:
            file.write(f"from {room}.{line}\n")
    add(folder / "tests/nn/test_operator_contract.py", "KEYS = (\n", '    "depthwise_k3_s1_c8-8_r8",\n')
    added = f'SPACES["ladder"] = parse_definition({DEFINITION!r}, source="test").build()\n'
    add(folder / "tests/spaces/test_space_contract.py", 'SPACES["cells"]', added, before=True)
    return folder


def add(path: Path, place: str, line: str, *, before: bool = False) -> None:
    text = path.read_text("utf-8")
    assert text.count(place) == 1, f"{path}: {place}"
    path.write_text(text.replace(place, line + place if before else place + line), "utf-8")


def run(copy: Path, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


def passed(copy: Path, path: str, names: str) -> int:
    """How many tests passed, of those in a file whose names are chosen."""
    output = run(copy, "pytest", "-n", "0", "-q", path, "-k", names)
    match = re.search(r"\b(\d+) passed", output)
    assert match is not None, output
    return int(match[1])


def test_every_recipe_has_an_example() -> None:
    paths = [path for path, _, _ in EXAMPLES.findall(TEXT)]
    assert [Path(path).stem for path in paths] == ["depthwise", "depthwise", "ladder", "hill_climbing"]
    for path, _, text in EXAMPLES.findall(TEXT):
        assert len(text.splitlines()) <= 45, path


@pytest.mark.ci
def test_the_operator_keeps_its_contract(copy: Path) -> None:
    output = run(
        copy,
        "pytest",
        "-n",
        "0",
        "-q",
        "tests/nn/test_operator_contract.py",
        "-k",
        "depthwise or stands_here",
    )
    assert re.search(r"\b7 passed", output), output


@pytest.mark.ci
def test_the_space_keeps_its_contract(copy: Path) -> None:
    assert passed(copy, "tests/spaces/test_space_contract.py", "ladder") == 8


@pytest.mark.ci
def test_the_sampler_keeps_its_contract(copy: Path) -> None:
    assert passed(copy, "tests/search/test_method_contract.py", "climb") == 8


@pytest.mark.ci
def test_the_sampler_searches_the_space_of_the_operator(copy: Path, tmp_path: Path) -> None:
    space = tmp_path / "rungs.yaml"
    space.write_text(SPACE + "\n", "utf-8")
    table = tmp_path / "table.json"
    common = ("--space", str(space), "--quiet")
    run(copy, "fbsearch", "profile", *common, "--out", str(table), "--set", "max_rounds=8")
    run(
        copy, "fbsearch", "search", *common, "--method", "climb", "--table", str(table), "--budget-ms", "5",
        "--data", "digits", "--limit", "200", "--set", "trials=4", "--set", "training.epochs=2",
        "--out", str(tmp_path / "run"),
    )  # fmt: skip
    result = json.loads((tmp_path / "run/search/result.json").read_text("utf-8"))
    assert result["method"] == "climb" and result["space"] == "rungs"
    architecture = json.loads((tmp_path / "run/architecture.json").read_text("utf-8"))
    assert sum("depthwise_" in json.dumps(node) for node in architecture["nodes"]) == 3
