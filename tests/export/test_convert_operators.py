"""Conversion in parallel processes: each operator once, and nothing finished is lost."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import Tensor, nn

import fbsearch.export.operators
from fbsearch.architecture import Operator
from fbsearch.errors import ExportError
from fbsearch.export import ConversionCache, cache, convert_operators
from fbsearch.export.operators import random_module
from tests.export.converted import run_model

OPERATORS = tuple(
    map(
        Operator.from_key,
        ("conv_k1_s1_relu_c4-8_r6", "skip_s1_c8-8_r6", "mbconv_k3_e1_s1_relu_c8-8_r6", "classifier_c8-3_r6"),
    )
)
CONVERTED = [op for op in OPERATORS if not op.is_identity]


class Unconvertible(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x).real


def test_converts_in_processes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, done = ConversionCache(tmp_path), []
    paths = convert_operators([*OPERATORS, OPERATORS[0]], "onnx", store, jobs=2, on_done=done.append)
    assert list(paths) == CONVERTED
    assert sorted(map(str, done)) == sorted(map(str, CONVERTED))
    for operator, path in paths.items():
        assert path == store.path(operator, "onnx")
        inputs = torch.randn(2, operator.in_channels, operator.resolution, operator.resolution)
        with torch.no_grad():  # the processes built the very weights that we build here
            expected = random_module(operator)(inputs)
        torch.testing.assert_close(run_model(path, inputs), expected, atol=1e-4, rtol=0)
    assert _no_converters()

    monkeypatch.delattr(fbsearch.export.operators, "_convert")  # a second call converts nothing
    again: list[Operator] = []
    assert convert_operators(OPERATORS, "onnx", store, on_done=again.append) == paths
    assert again == CONVERTED


def test_a_failure_names_the_operator_and_keeps_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = CONVERTED[-1]
    monkeypatch.setattr(
        fbsearch.export.operators,
        "random_module",
        lambda operator: Unconvertible() if operator == broken else random_module(operator),
    )
    threads = torch.get_num_threads()
    with pytest.raises(ExportError, match=rf"^operator {broken.key}: cannot be converted to ONNX"):
        convert_operators(OPERATORS, "onnx", ConversionCache(tmp_path), jobs=1)
    assert torch.get_num_threads() == threads
    kept = [ConversionCache(tmp_path).path(operator, "onnx").exists() for operator in CONVERTED]
    assert kept == [True, True, False]


@pytest.mark.slow
def test_a_killed_process_is_an_error_and_the_next_call_goes_on(tmp_path: Path) -> None:
    operators = [Operator.from_key(f"conv_k3_s1_relu_c4-{width}_r8") for width in range(4, 16)]
    store, done = ConversionCache(tmp_path), []

    def kill_at_the_second(operator: Operator) -> None:
        done.append(operator)
        if len(done) == 2:
            for process in _converters():
                os.kill(process.pid, signal.SIGKILL)

    with pytest.raises(ExportError, match=r"converter process was killed.*run again"):
        convert_operators(operators, "onnx", store, jobs=2, on_done=kill_at_the_second)
    assert 2 <= len(done) < len(operators)
    assert all(store.path(operator, "onnx").exists() for operator in done)
    assert _no_converters()

    paths = convert_operators(operators, "onnx", store, jobs=2)
    assert all(path.stat().st_size > 100 for path in paths.values())


PROGRAM = """
import sys
from pathlib import Path
from fbsearch.architecture import Operator
from fbsearch.export import ConversionCache, convert_operators

def stop_if_asked(operator):
    if sys.argv[2] == "stop":
        sys.exit(2)

operators = [Operator.from_key(f"conv_k3_s1_relu_c4-{width}_r8") for width in range(4, 10)]
convert_operators(operators, sys.argv[3], ConversionCache(Path(sys.argv[1])), jobs=2, on_done=stop_if_asked)
"""


@pytest.mark.slow
@pytest.mark.parametrize("model_format", ["tflite", "onnx"])
@pytest.mark.parametrize(("ending", "code"), [("finish", 0), ("stop", 2)])
def test_a_program_says_nothing_however_it_ends(
    ending: str, code: int, model_format: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), ending, model_format]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def _converters() -> list[psutil.Process]:
    """Processes that loky started for us, without its resource tracker."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "LokyProcess" in " ".join(child.cmdline())]


def _no_converters() -> bool:
    return not _converters()


def test_no_jobs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="jobs must be at least 1"):
        convert_operators(OPERATORS, "onnx", ConversionCache(tmp_path), jobs=0)


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"file/cache cannot be written .*FBSEARCH_CACHE"):
        convert_operators(OPERATORS, "onnx", ConversionCache(tmp_path / "file" / "cache"))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ExportError, match="No space left on device"):
        convert_operators(OPERATORS, "onnx", ConversionCache(tmp_path))


def test_random_weights_depend_on_the_key_alone() -> None:
    operator = CONVERTED[1]
    torch.manual_seed(1)
    one = random_module(operator)
    drawn = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), drawn)  # the caller's generator did not move
    two = random_module(operator)
    for (name, left), (_, right) in zip(one.state_dict().items(), two.state_dict().items(), strict=True):
        assert torch.equal(left, right), name
    other = random_module(Operator.from_key("mbconv_k3_e1_s1_relu_c8-8_r7"))
    first, different = next(one.parameters()), next(other.parameters())
    assert first.shape == different.shape and not torch.equal(first, different)


def test_outputs_have_no_denormals() -> None:
    for key in ("mbconv_k5_e6_s1_relu_c184-184_r7", "classifier_c1984-1000_r7"):
        operator = Operator.from_key(key)
        inputs = torch.randn(1, operator.in_channels, operator.resolution, operator.resolution)
        with torch.no_grad():
            output = random_module(operator)(inputs)
        assert 0.01 < output.std() < 100


def test_cache_path_depends_on_all_that_decides_the_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ConversionCache(tmp_path)
    first = store.path(OPERATORS[0], "tflite")
    assert first.parent == tmp_path / "tflite"
    assert first.name.startswith(OPERATORS[0].key) and first.suffix == ".tflite"
    assert store.path(OPERATORS[2], "tflite") != first
    assert store.path(OPERATORS[0], "onnx") != first
    monkeypatch.setattr(cache, "EXPORTER_VERSION", cache.EXPORTER_VERSION + 1)
    assert store.path(OPERATORS[0], "tflite") != first


def test_cache_folder_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FBSEARCH_CACHE", str(tmp_path))
    assert ConversionCache().folder == tmp_path / "conversions"
    monkeypatch.delenv("FBSEARCH_CACHE")
    assert ConversionCache().folder.parts[-2:] == ("fbsearch", "conversions")


def test_processes_are_no_more_than_pay() -> None:
    count = fbsearch.export.operators._num_processes
    assert count(None, 1) == 1
    assert count(None, 1000) == np.clip(len(os.sched_getaffinity(0)), 1, 250)
    assert count(8, 3) == 3
