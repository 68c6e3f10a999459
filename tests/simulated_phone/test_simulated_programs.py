"""The stand-ins for benchmark_model and onnxruntime_perf_test: real models, official text."""

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.simulated_phone.host import Host
from tools.simulated_phone import Fault, SimulatedPhone, read_profile
from tools.simulated_phone.benchmark_statistics import Statistics
from tools.simulated_phone.wire import LinkClosedError

pytest.importorskip("ai_edge_litert")

TOOLS = Path("tools/simulated_phone")
DATA = Path("tests/devices/data")
NETWORK = Path("tests/tflite_runtime/models/network.tflite")
FOLDER = "/data/local/tmp/fb"
QUICK = "--num_runs=5 --min_secs=0.01 --warmup_runs=1 --warmup_min_secs=0.005 --num_threads=1"
RUN = f"cd {FOLDER} && ./benchmark_model --graph=tiny.tflite {QUICK}"


def install(phone: SimulatedPhone) -> None:
    """Put binaries and models where a push would."""
    folder = phone.sandbox.to_host(FOLDER)
    folder.mkdir(parents=True)
    for file in (
        *(TOOLS / n for n in ("benchmark_model", "onnxruntime_perf_test")),
        *DATA.iterdir(),
        NETWORK,
    ):
        (folder / file.name).write_bytes(file.read_bytes())
        (folder / file.name).chmod(0o755)


@pytest.fixture(scope="module")
def pixel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedPhone]:
    """One phone for the tests that inject nothing: its interpreter is loaded once."""
    with SimulatedPhone(tmp_path_factory.mktemp("phone")) as phone:
        install(phone)
        yield phone


@pytest.fixture
def at_pixel(pixel: SimulatedPhone) -> Iterator[Host]:
    with Host(pixel) as host:
        yield host.connect()


def lines_with(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


def test_prints_in_the_current_form(pixel: SimulatedPhone, at_pixel: Host) -> None:
    out, err, code = at_pixel.shell(f"{RUN} --use_xnnpack=true --result_file_path={FOLDER}/result")
    assert code == 0
    assert "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n" in err
    assert out.startswith("INFO: STARTING!\n")
    assert "Explicitly applied XNNPACK delegate, and the model graph will be completely executed by" in out
    warmup, measured = lines_with(out, "count=")
    number = r"-?[0-9.e+]+"
    form = (
        rf"INFO: count=\d+ first=\d+ curr=\d+ min=\d+ max=\d+ avg={number} std=\d+ p5=\d+ median=\d+ p95=\d+"
    )
    assert re.fullmatch(form, warmup)
    assert re.fullmatch(form, measured)
    assert re.search(rf"Init: \d+, First inference: \d+, Warmup \(avg\): {number}, Inference \(avg\)", out)


def test_the_result_file_agrees_with_the_text(pixel: SimulatedPhone, at_pixel: Host) -> None:
    out = at_pixel.shell(f"{RUN} --result_file_path={FOLDER}/result")[0]
    values = dict(pair.split("=") for pair in lines_with(out, "count=")[1].split()[1:])
    fields = decoded(at_pixel.pull(f"{FOLDER}/result"))
    assert fields[4, 2] == int(values["count"])
    expected = {(2, 1): "avg", (2, 2): "min", (2, 3): "max", (2, 4): "std", (2, 5): "median", (2, 6): "p5"}
    for place, name in expected.items():
        assert fields[place] * 1000 == pytest.approx(float(values[name]), rel=1e-5)
    assert fields[4, 1] == pytest.approx((DATA / "tiny.tflite").stat().st_size / 1e6)


def test_runs_until_both_the_runs_and_the_seconds_are_enough(at_pixel: Host) -> None:
    out = at_pixel.shell(
        f"cd {FOLDER} && ./benchmark_model --graph=tiny.tflite --num_runs=3 --min_secs=0.05"
    )[0]
    warmup, measured = [int(line.split("count=")[1].split()[0]) for line in lines_with(out, "count=")]
    assert min(warmup, measured) > 3
    limits = "--num_runs=1000000 --max_secs=0.05 --min_secs=0 --warmup_min_secs=0"
    out = at_pixel.shell(f"cd {FOLDER} && ./benchmark_model --graph=tiny.tflite {limits}")[0]
    assert int(lines_with(out, "count=")[1].split("count=")[1].split()[0]) < 1_000_000


def test_inputs_from_files_and_outputs_to_one(pixel: SimulatedPhone, at_pixel: Host) -> None:
    with np.load(DATA / "tiny.npz") as data:
        arrays = dict(data)
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(DATA / "tiny.tflite"))
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    shape = ",".join(map(str, detail["shape"]))
    values = np.random.default_rng(1).normal(size=detail["shape"]).astype(np.float32)
    interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert arrays
    at_pixel.push(values.tobytes(), f"{FOLDER}/in:put")
    layer = f"--input_layer={detail['name']} --input_layer_shape={shape}"
    files = f"--input_layer_value_files={detail['name']}:{FOLDER}/in::put --output_filepath=out"
    assert at_pixel.shell(f"{RUN} {layer} {files}")[2] == 0
    got = np.frombuffer(at_pixel.pull(f"{FOLDER}/out"), np.float32)
    np.testing.assert_array_equal(got, expected.ravel())
    code = at_pixel.shell(f"{RUN} {layer} --input_layer_value_files={detail['name']}:tiny.npz")[2]
    assert code == 134


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--graph=none", "Could not open 'none'."),
        ("--graph=tiny.onnx", "Failed to load model tiny.onnx"),
        ("", "Please specify the name of your TF Lite input file with --graph"),
        ("--graph=tiny.tflite --require_full_delegation=true", "Disallowed CPU fallback detected."),
        ("--graph=tiny.tflite --use_gpu=true", "Failed to apply GPU delegate."),
        ("--graph=tiny.tflite --input_layer=x", "--input_layer_shape"),
        ("--graph=tiny.tflite --signature_to_run_for=none", "Signature key: serving_default"),
        ("--graph=tiny.tflite --num_runs=many", "usage: "),
    ],
)
def test_failures(at_pixel: Host, flags: str, says: str) -> None:
    out, err, code = at_pixel.shell(f"cd {FOLDER} && ./benchmark_model {flags}")
    assert code == 1
    assert says in err
    assert err.endswith("ERROR: Benchmarking failed.\n")
    assert not lines_with(out, "count=")


def test_unknown_flags_are_told_and_ignored(at_pixel: Host) -> None:
    out, _, code = at_pixel.shell(f"{RUN} --new_flag=1 --another")
    assert code == 0
    assert "WARN: Unconsumed cmdline flags: --new_flag=1 --another\n" in out


def test_special_counts(at_pixel: Host) -> None:
    out = at_pixel.shell(f"cd {FOLDER} && ./benchmark_model --graph=tiny.tflite --dry_run=true")[0]
    assert lines_with(out, "count=") == ["INFO: count=0 p5=0 median=0 p95=0"] * 2
    once = "--num_runs=1 --min_secs=0 --warmup_min_secs=0"
    out = at_pixel.shell(f"cd {FOLDER} && ./benchmark_model --graph=tiny.tflite {once}")[0]
    assert re.fullmatch(r"INFO: count=1 curr=(\d+) p5=\1 median=\1 p95=\1", lines_with(out, "count=")[1])


def test_little_cores_are_slower(pixel: SimulatedPhone, at_pixel: Host) -> None:
    graph = f"--graph=network.tflite {QUICK.replace('0.01', '0.2')}"
    at_pixel.shell(f"cd {FOLDER} && taskset f ./benchmark_model {graph}")
    at_pixel.shell(f"cd {FOLDER} && taskset c0 ./benchmark_model {graph}")
    little, big = pixel.events.of("launch")[-2:]
    assert (little.detail["mask"], little.detail["slowdown"]) == ("f", 2.0)
    assert (big.detail["mask"], big.detail["slowdown"]) == ("c0", 1.0)


@pytest.mark.parametrize(
    ("age", "starts", "ends"),
    [
        ("tf2.1", "STARTING!", r"Average inference timings in us: Warmup: \S+, Init: \d+, no stats: \S+\n$"),
        ("2020", "STARTING!", r"\nInference timings in us: Init: \d+, First inference: \d+, "),
        ("2024", "INFO: STARTING!", r"\nINFO: Inference timings in us: Init: \d+, First inference: \d+, "),
    ],
)  # fmt: skip
def test_older_forms(tmp_path: Path, age: str, starts: str, ends: str) -> None:
    profile = replace(read_profile("pixel"), benchmark_format=age)
    with SimulatedPhone(tmp_path, profile=profile) as phone, Host(phone) as host:
        install(phone)
        out, err, code = host.connect().shell(f"{RUN} --result_file_path={FOLDER}/result")
    assert (code, out.partition("\n")[0]) == (0, starts)
    assert re.search(ends, out)
    assert "median" not in out
    has_file = (phone.sandbox.to_host(FOLDER) / "result").exists()
    assert has_file == (age == "2024") != ("Unconsumed" in out)
    assert "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n" in err


@pytest.mark.parametrize(
    ("gpu", "says"),
    [
        ("unsupported", "WARN: GPU acceleration is unsupported on this platform."),
        (
            "untouched",
            "Though GPU delegate is explicitly applied, the model graph will not be executed by the",
        ),
        ("partial", "the model graph will be partially executed by the delegate w/ 2 delegate kernels."),
        ("full", "Explicitly applied GPU delegate, and the model graph will be completely executed by"),
    ],
)
def test_a_gpu_as_the_profile_says(tmp_path: Path, gpu: str, says: str) -> None:
    with (
        SimulatedPhone(tmp_path, profile=replace(read_profile("pixel"), gpu=gpu)) as phone,
        Host(phone) as host,
    ):
        install(phone)
        out, _, code = host.connect().shell(f"{RUN} --use_gpu=true")
        assert code == 0
        assert says in out
        full = host.shell(f"{RUN} --use_gpu=true --require_full_delegation=true")
    assert full[2] == (0 if gpu == "full" else 1)


def test_a_binary_too_old_for_an_operator(tmp_path: Path) -> None:
    profile = replace(read_profile("pixel"), unknown_operators=("DEPTHWISE_CONV_2D",))
    with SimulatedPhone(tmp_path, profile=profile) as phone, Host(phone) as host:
        install(phone)
        _, err, code = host.connect().shell(RUN)
    assert code == 1
    assert "Didn't find op for builtin opcode 'DEPTHWISE_CONV_2D' version '5'." in err
    assert "ERROR: Registration failed.\nERROR: Failed to initialize the interpreter\n" in err


def test_the_perf_test(at_pixel: Host) -> None:
    pytest.importorskip("onnxruntime")
    run = f"cd {FOLDER} && ./onnxruntime_perf_test -I -m times -r 20 -x 1 -y 1 -o 99"
    out, _, code = at_pixel.shell(f"{run} tiny.onnx result.csv")
    assert code == 0
    assert re.search(r"^Average inference time cost: [\d.e-]+ ms$", out, flags=re.MULTILINE)
    assert re.search(r"^P50 Latency is [\d.e-]+sec$", out, flags=re.MULTILINE)
    result = at_pixel.pull(f"{FOLDER}/result.csv").decode()
    assert len(lines_with(result, "tiny.onnx,")) == 20
    assert "P50 Latency is " in result
    assert at_pixel.shell(f"{run} none.onnx")[2] == 1
    assert at_pixel.shell(f"{run} --bad")[2] == 1


def run_with(phone: SimulatedPhone, host: Host, fault: Fault) -> tuple[str, str, int]:
    phone.inject(fault)
    answer = host.shell(RUN)
    assert [e.detail for e in phone.events.of("fault")][-1] == {"fault": fault.kind, "at": "benchmark"}
    return answer


def test_faults_of_the_binary(pixel: SimulatedPhone, at_pixel: Host) -> None:
    def strike(kind: str, variant: str = "") -> tuple[str, str, int]:
        return run_with(pixel, at_pixel, Fault(kind, variant=variant))

    assert strike("crashing_binary")[1:] == ("Segmentation fault\n", 139)
    assert strike("wrong_abi") == (
        "",
        "/system/bin/sh: ./benchmark_model: not executable: 64-bit ELF file\n",
        126,
    )
    out, _, code = strike("truncated_output")
    assert (code, len(lines_with(out, "count=")), out.endswith("\n")) == (0, 2, False)
    assert "p95" not in lines_with(out, "count=")[1]
    assert len(lines_with(strike("truncated_output", "warm-up")[0], "count=")) == 1
    assert strike("truncated_output", "empty")[0] == ""
    assert "avg=nan" in strike("garbage_output", "nan")[0]
    assert "avg=-17" in strike("garbage_output", "negative")[0]
    assert lines_with(strike("garbage_output", "count0")[0], "count=")[1] == "INFO: count=0"
    pixel.inject(Fault("garbage_output"))
    assert b"\xff\xfecount=\x00\x17 avg=\xf0" in at_pixel.open(f"shell:{RUN}").read_all()
    assert len(lines_with(at_pixel.shell(RUN)[0], "p95=")) == 2


def test_a_full_disk_leaves_an_empty_result(pixel: SimulatedPhone, at_pixel: Host) -> None:
    pixel.inject(Fault("disk_full"))
    assert at_pixel.shell(f"{RUN} --result_file_path={FOLDER}/empty")[2] == 0
    assert at_pixel.pull(f"{FOLDER}/empty") == b""


def test_a_hung_binary_is_silent_until_it_is_killed(pixel: SimulatedPhone, at_pixel: Host) -> None:
    pixel.inject(Fault("hung_binary"))
    stream = at_pixel.open(f"shell:{RUN}")
    stream.take(len("INFO: STARTING!"))
    with Host(pixel) as other:
        pid = other.connect().shell("pidof benchmark_model")[0].strip()
        assert pid.isdigit()
        assert other.shell(f"kill -9 {pid}")[2] == 0
        stream.read_all()
        assert other.shell("pidof benchmark_model")[2] == 1


def test_heat(pixel: SimulatedPhone, at_pixel: Host) -> None:
    cap = "/sys/devices/system/cpu/cpu7/cpufreq/scaling_max_freq"
    read = f"dumpsys thermalservice | grep 'Thermal Status'; cat {cap}"
    pixel.inject(Fault("throttled", times=2, seconds=30))
    seen = []
    for _ in range(3):
        at_pixel.shell(RUN)
        seen.append((pixel.events.of("launch")[-1].detail["slowdown"], at_pixel.shell(read)[0]))
    hot, cool = "Thermal Status: 3\n1710000\n", "Thermal Status: 0\n2850000\n"
    assert seen == [(1.7, hot), (1.7, hot), (1.0, cool)]
    run_with(pixel, at_pixel, Fault("throttled", times=5, seconds=0.05))
    pixel.state.wait_until_cool(5)
    assert at_pixel.shell(read)[0] == cool


@pytest.mark.parametrize("kind", ["cable_pulled", "adbd_killed", "rebooting"])
def test_a_link_that_breaks_during_a_launch(pixel: SimulatedPhone, kind: str) -> None:
    returns = len(pixel.events.of("listening"))
    with Host(pixel) as host:
        host.connect()
        pixel.inject(Fault(kind, at="benchmark", seconds=0.05))
        with pytest.raises(LinkClosedError):
            host.shell(RUN.replace("--min_secs=0.01", "--min_secs=2"))
    pixel.events.wait_for("listening", count=returns + 1)
    with Host(pixel) as host:
        is_running = host.connect().shell("pidof benchmark_model")[2] == 0
    assert is_running == (kind != "rebooting")  # without a terminal, a launch outlives its connection


def test_statistics_as_the_tool_prints_them() -> None:
    assert Statistics([]).text(with_percentiles=False) == "count=0"
    assert Statistics([7, 7]).text(with_percentiles=False) == "count=2 curr=7(all same)"
    assert Statistics([3, 1, 2]).text(with_percentiles=True) == (
        "count=3 first=3 curr=2 min=1 max=3 avg=2 std=0 p5=1 median=2 p95=3"
    )
    assert "avg=1.38151e+06" in Statistics([1_381_514, 1_381_512]).text(with_percentiles=False)
    assert math.isnan(Statistics([]).mean)


def decoded(content: bytes) -> dict[tuple[int, int], float]:
    """Numbers of a protocol buffer two levels deep, by their field numbers."""
    values: dict[tuple[int, int], float] = {}
    for number, message in fields_of(content):
        assert isinstance(message, bytes)
        for inner, value in fields_of(message):
            assert not isinstance(value, bytes)
            values[number, inner] = value
    return values


def fields_of(content: bytes) -> Iterator[tuple[int, float | bytes]]:
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = content[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(content):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        length = 4 if key & 7 == 5 else varint()
        piece = content[position : position + length]
        position += length
        yield key >> 3, struct.unpack("<f", piece)[0] if key & 7 == 5 else piece
