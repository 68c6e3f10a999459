"""What every runtime on this computer must do.

``data/tiny.*`` is the block mbconv_k3_e1_s1_relu_c4-4_r8 with random weights, exported by
``fbsearch.export``, and three inputs with the outputs that PyTorch gave.
"""

import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from fbsearch.devices import RUNTIME_FORMATS, InProcessRunner, LocalDevice, MeasurementProtocol, measure
from fbsearch.devices import local as local_module
from fbsearch.devices.runner import check_offered
from fbsearch.devices.timing import time_invocations
from fbsearch.errors import DependencyError, DeviceError, MeasurementError

DATA = Path(__file__).parent / "data"


class RunnerContract:
    """Tests that hold for every runtime."""

    runtime: str
    suffix: str
    package: str

    @pytest.fixture
    def model(self):
        return DATA / f"tiny.{self.suffix}"

    @pytest.fixture
    def runner(self):
        pytest.importorskip(self.package)
        return LocalDevice().runner(self.runtime, threads=1)

    @pytest.fixture
    def samples(self):
        with np.load(DATA / "tiny.npz") as arrays:
            return self.layout(arrays["inputs"]), self.layout(arrays["outputs"])

    def layout(self, images):
        return images

    def test_describes_itself(self, runner):
        description = runner.description
        assert description.name == self.runtime and description.threads == 1
        assert description.version[0].isdigit() and description.delegate

    def test_invoke_gives_a_positive_latency_per_invocation(self, runner, model):
        session = runner.open(model)
        for count in (1, 7):
            values = session.invoke(count)
            assert len(values) == count and all(0 < value < 1e6 for value in values)

    def test_leaves_the_arithmetic_of_this_thread_alone(self, runner, model):
        runner.open(model).invoke(1)
        assert np.float64(5e-324) * 1.0 > 0, "denormals still count"

    def test_run_agrees_with_pytorch(self, runner, model, samples):
        inputs, outputs = samples
        session = runner.open(model)
        assert session.input_shape == inputs.shape[1:]
        session.invoke(2)
        np.testing.assert_allclose(session.run(inputs), outputs, atol=1e-5)
        assert session.run(inputs[:1]).shape == outputs[:1].shape

    def test_threads_are_set_and_do_not_change_the_result(self, model, samples):
        if (LocalDevice().describe().num_cores) < 2:
            pytest.skip("one core only")
        pytest.importorskip(self.package)
        runner = LocalDevice().runner(self.runtime, threads=2)
        assert runner.description.threads == 2
        np.testing.assert_allclose(runner.open(model).run(samples[0]), samples[1], atol=1e-5)

    @pytest.mark.parametrize("content", [b"", b"garbage" * 100, None])
    def test_a_bad_model_is_one_line_naming_the_file(self, runner, tmp_path, content):
        path = tmp_path / f"bad.{self.suffix}"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(MeasurementError) as caught:
            runner.open(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)

    def test_a_pipe_is_no_model_and_is_not_waited_for(self, runner, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(MeasurementError, match="pipe: cannot read the model: a pipe, no regular file"):
            runner.open(tmp_path / "pipe")

    def test_a_truncated_model_is_refused(self, runner, model, tmp_path):
        path = tmp_path / f"half.{self.suffix}"
        path.write_bytes(model.read_bytes()[:300])
        with pytest.raises(MeasurementError, match=r"half\."):
            runner.open(path)

    @pytest.mark.parametrize("shape", [(1, 3, 3, 3), (0, 4, 8, 8), (4,), ()])
    def test_inputs_of_another_shape_are_refused(self, runner, model, shape):
        with pytest.raises(MeasurementError, match="the model takes N x"):
            runner.open(model).run(np.zeros(shape, np.float32))

    def test_measures_by_the_protocol(self, runner, model):
        protocol = MeasurementProtocol(
            warmup_ms=1, round_ms=0.2, sentinel_ms=0.2, max_rounds=8, patience_s=0.2, max_discarded_rounds=4
        )
        measured = measure(
            {"a": runner.open(model), "b": runner.open(model)},
            protocol,
            sentinel=runner.open(model),
            rng=np.random.default_rng(0),
        )
        assert set(measured) == {"a", "b"}
        assert all(0 < one.min_us <= one.latency_us < 1e5 for one in measured.values())

    def test_close_may_be_called_once_the_work_is_done(self, runner, model):
        session = runner.open(model)
        session.invoke(1)
        session.close()


class TestTFLite(RunnerContract):
    runtime, suffix, package = "tflite", "tflite", "ai_edge_litert"

    def layout(self, images):
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1))

    @pytest.fixture
    def runner(self):
        return LocalDevice().runner("tflite", threads=1)

    def test_opening_writes_nothing_to_the_terminal(self, runner, model, capfd):
        runner.open(model)
        assert capfd.readouterr() == ("", "")

    def test_without_an_interpreter_it_says_what_to_install(self, monkeypatch):
        for module in ("ai_edge_litert", "tflite_runtime"):
            monkeypatch.setitem(sys.modules, module, None)
            monkeypatch.setitem(sys.modules, f"{module}.interpreter", None)
        with pytest.raises(DependencyError, match="pip install ai-edge-litert"):
            LocalDevice().runner("tflite", threads=1)


class TestOnnxRuntime(RunnerContract):
    runtime, suffix, package = "onnxruntime", "onnx", "onnxruntime"

    def test_settings_are_recorded(self, runner):
        options = runner.description.options
        assert options["graph_optimization_level"] == "ORT_ENABLE_ALL"
        assert options["session.set_denormal_as_zero"] == "1"
        assert "session.intra_op.allow_spinning" not in options

    def test_several_threads_do_not_spin(self):
        pytest.importorskip("onnxruntime")
        if LocalDevice().describe().num_cores < 2:
            pytest.skip("one core only")
        runner = LocalDevice().runner("onnxruntime", threads=2)
        assert runner.description.options["session.intra_op.allow_spinning"] == "0"

    def test_an_open_batch_is_refused(self, runner, tmp_path):
        helper = pytest.importorskip("onnx.helper")
        onnx = pytest.importorskip("onnx")
        shapes = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 4]) for name in ("x", "y")
        ]
        graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", shapes[:1], shapes[1:])
        path = tmp_path / "open.onnx"
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        path.write_bytes(model.SerializeToString())
        with pytest.raises(MeasurementError, match="batch 1"):
            runner.open(path)

    def test_without_the_package_it_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(DependencyError, match="pip install onnxruntime"):
            LocalDevice().runner("onnxruntime", threads=1)


@pytest.mark.parametrize("threads", [0, -1, 100_000])
def test_threads_beyond_the_cores_are_refused(threads):
    with pytest.raises(DeviceError, match="cores"):
        LocalDevice().runner("tflite", threads=threads)


def test_an_unknown_runtime_is_refused():
    with pytest.raises(DeviceError, match="tflite, onnxruntime"):
        LocalDevice().runner("tensorrt", threads=1)


@pytest.mark.parametrize(
    ("told", "expected"), [("max", None), ("1048576", 2**20), (str(2**63), None), ("0", None)]
)
def test_a_containers_limit_is_its_memory(tmp_path, monkeypatch, told, expected):
    monkeypatch.setattr("fbsearch.devices.local._MEMORY_LIMITS", ())
    physical = LocalDevice().describe().memory_bytes
    (tmp_path / "limit").write_text(told + "\n")
    limits = (tmp_path / "none", tmp_path / "limit")
    monkeypatch.setattr("fbsearch.devices.local._MEMORY_LIMITS", limits)
    assert LocalDevice().describe().memory_bytes == (expected or physical)


def test_a_runtime_is_known_by_its_lines_in_two_tables(monkeypatch):
    class Toy(InProcessRunner):
        def __init__(self, *, threads, precision="fp32"):
            self.settings = threads, precision

    monkeypatch.setitem(RUNTIME_FORMATS, "toy", "onnx")
    monkeypatch.setitem(local_module._RUNNERS, "toy", Toy)
    assert LocalDevice().runner("toy", threads=1, precision="int8").settings == (1, "int8")


def test_a_device_that_tells_no_cores_takes_any_number_of_threads_but_none():
    check_offered("board", "tflite", threads=64, num_cores=None)
    with pytest.raises(DeviceError, match="threads=0: device 'board' needs at least 1"):
        check_offered("board", "tflite", threads=0, num_cores=None)


def test_the_collector_pauses_while_timing_and_runs_again_afterwards():
    seen = []
    assert gc.isenabled()
    values = time_invocations(lambda: seen.append(gc.isenabled()), 3)
    assert seen == [False] * 3 and gc.isenabled() and len(values) == 3

    def fail():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        time_invocations(fail, 1)
    assert gc.isenabled()
