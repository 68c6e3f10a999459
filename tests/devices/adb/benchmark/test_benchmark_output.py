"""benchmark_model's output: official forms become figures, everything else an error that names the line."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.devices.adb.benchmark.benchmark_output import LaunchFigures, parse_benchmark
from fbsearch.devices.adb.benchmark.launching import launch_latency_us
from fbsearch.errors import MeasurementError
from tests.devices.adb.benchmark.official_outputs import Launch, Loop, launches, message, varint

DATA = Path(__file__).parent / "data"


def golden(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


CURRENT = golden("benchmark_2024.txt")
FIGURES_2024 = LaunchFigures(
    count=74, mean_us=13520.2, min_us=13105, max_us=15765, std_us=470, init_us=12750, first_us=14744,
    delegate="XNNPACK",
)  # fmt: skip


def parse(stdout: str = CURRENT, stderr: str = "", exit_code: int = 0, **options) -> LaunchFigures:
    return parse_benchmark(stdout, stderr, exit_code, **({"delegate": "xnnpack"} | options))


class TestOfficialForms:
    def test_2024(self):
        assert parse() == FIGURES_2024
        assert parse().latency_us == 13520.2

    def test_2019(self):
        figures = parse(golden("benchmark_2019.txt"), delegate="none")
        assert (figures.count, figures.mean_us, figures.std_us) == (50, 66767.6, 521)
        assert (figures.init_us, figures.first_us, figures.delegate) == (9933, 81265, None)

    def test_2020_with_exponents_and_without_prefix(self):
        figures = parse(golden("benchmark_2020.txt"))
        assert (figures.mean_us, figures.first_us, figures.delegate) == (1381510, 1403859, "XNNPACK")

    def test_percentiles_of_current_builds(self):
        figures = parse(golden("benchmark_current_gpu.txt"), delegate="gpu")
        assert (figures.p5_us, figures.median_us, figures.p95_us) == (112107, 115350, 116620)
        assert (figures.latency_us, figures.delegate) == (115350, "GPU")

    def test_all_same(self):
        figures = parse(golden("benchmark_current_all_same.txt"))
        assert figures == LaunchFigures(12, 22, 22, 22, 0, 22, 22, 22, 742, 31, "XNNPACK")

    def test_the_profiler_s_statistics_are_not_the_loop_s(self):
        figures = parse(golden("benchmark_profiled.txt"))
        assert (figures.count, figures.mean_us, figures.median_us) == (74, 13520.2, 13388)

    def test_litert_s_own_tool(self):
        figures = parse(golden("litert_stdout.txt"), golden("litert_stderr.txt"))
        assert (figures.mean_us, figures.median_us, figures.init_us) == (13520.2, 13388, None)
        merged = parse(golden("litert_stdout.txt") + golden("litert_stderr.txt"))
        assert merged == figures

    def test_carriage_returns_of_a_terminal(self):
        assert parse(CURRENT.replace("\n", "\r\n")) == FIGURES_2024

    def test_without_a_warm_up(self):
        lines = CURRENT.replace(
            "count=37 first=14744 curr=15520 min=13164 max=18295 avg=13764.3 std=967",
            "count=0 p5=-9223372036854775808 median=-9223372036854775808 p95=-9223372036854775808",
        ).replace("First inference: 14744, Warmup (avg): 13764.3", "First inference: 0, Warmup (avg): -nan")
        assert parse(lines).first_us is None

    @given(launches, st.booleans())
    def test_a_generated_output_gives_the_figures_it_was_made_from(self, launch: Launch, with_result: bool):
        figures = parse(launch.stdout, launch.stderr, result=launch.result if with_result else None)
        check_figures(figures, launch, with_result=with_result)


def check_figures(figures: LaunchFigures, launch: Launch, *, with_result: bool) -> None:
    loop = launch.measured
    has_percentiles = launch.has_percentiles or with_result
    assert figures.mean_us == pytest.approx(loop.mean, rel=2e-7 if with_result else 6e-6, abs=1e-3)
    assert (figures.count, figures.std_us) == (len(loop.values), loop.std)
    assert (figures.min_us, figures.max_us) == (min(loop.values), max(loop.values))
    percentiles = tuple(loop.percentile(share) for share in (5, 50, 95)) if has_percentiles else (None,) * 3
    assert (figures.p5_us, figures.median_us, figures.p95_us) == percentiles
    assert figures.first_us == launch.warm_up.values[0]
    if launch.form != "litert":
        assert figures.init_us == launch.init_us


class TestFailures:
    @pytest.mark.parametrize(
        ("text", "exit_code", "remedy"),
        [
            ("ERROR: Could not open '/data/x.tflite'.\nERROR: Failed to load model", 1, "pushed anew"),
            ("ERROR: Didn't find op for builtin opcode 'MUL' version '5'. An older version of this builtin "
             "might be supported.\nERROR: Registration failed.", 1, "newer"),
            ("Failed to initialize the interpreter", 1, "newer"),
            ("ERROR: Encountered unresolved custom op: Foo.", 1, "lacks this operator"),
            ("ERROR: Select TensorFlow op(s), included in the given model, is(are)", 1, "_plus_flex"),
            ("ERROR: Failed to apply GPU delegate.", 1, "another delegate"),
            ("ERROR: Failed to allocate tensors!", 1, "newer binary"),
            ("ERROR: Disallowed CPU fallback detected.\nERROR: Benchmarking failed.", 1, "another delegate"),
            ("/system/bin/sh: ./benchmark_model: not executable: 64-bit ELF file", 126, "of its ABI"),
            ("/system/bin/sh: ./benchmark_model: can't execute: Permission denied", 126, "755"),
            ("/system/bin/sh: ./benchmark_model: inaccessible or not found", 127, "pushed anew"),
            ('CANNOT LINK EXECUTABLE "./benchmark_model": library "libc++.so" not found', 1, "library"),
            ("sh: Text file busy", 126, "run again"),
            ("write: No space left on device", 1, "free some space"),
            ("INFO: Unconsumed cmdline flags: --result_file_path=/x", 0, "fetch a newer one"),
        ],
    )  # fmt: skip
    def test_each_failure_names_its_line_and_a_remedy(self, text, exit_code, remedy):
        for stdout, stderr in ((text + "\n" + CURRENT, ""), ("INFO: STARTING!\n", text)):
            with pytest.raises(MeasurementError) as caught:
                parse(stdout, stderr, exit_code)
            assert remedy in str(caught.value)
            assert any(line[:60] in str(caught.value).replace("\\", "") for line in text.split("\n"))
            assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("exit_code", "words"),
        [(134, "aborted"), (139, "segmentation fault"), (137, "killed"), (127, "not found"),
         (1, "exit code 1"), (-9, "exit code -9"), (10**30, "exit code")],
    )  # fmt: skip
    def test_an_exit_code_is_never_overlooked(self, exit_code, words):
        with pytest.raises(MeasurementError, match=words):
            parse(CURRENT, "", exit_code)

    def test_the_telling_line_is_named(self):
        with pytest.raises(MeasurementError, match="ERROR: something odd"):
            parse("INFO: STARTING!\n", "ERROR: something odd\nERROR: Benchmarking failed.\n", 1)

    def test_nothing_printed(self):
        with pytest.raises(MeasurementError, match="printed nothing"):
            parse("", "", 139)
        with pytest.raises(MeasurementError, match="0 statistics lines"):
            parse("", "")


class TestDelegates:
    GPU = golden("benchmark_current_gpu.txt")
    TAKEN = (
        "Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate."
    )

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("Though GPU delegate is explicitly applied, the model graph will not be executed by the "
             "delegate.", "took no operator"),
            ("Explicitly applied GPU delegate, and the model graph will be partially executed by the "
             "delegate w/ 2 delegate kernels.", "only a part"),
            ("GPU acceleration is unsupported on this platform.", "does not offer it"),
            ("Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the "
             "delegate.", "another delegate"),
            ("GPU delegate created.", "does not say"),
            ("Applied GPU delegate.", "does not say"),
        ],
    )  # fmt: skip
    def test_one_that_did_not_take_the_model_is_an_error(self, line, words):
        with pytest.raises(MeasurementError, match=words):
            parse(self.GPU.replace(self.TAKEN, line), delegate="gpu")

    def test_a_fallback_to_another_delegate(self):
        fallen_back = self.GPU.replace(self.TAKEN, "GPU acceleration is unsupported on this platform.\nINFO: "
                                       + self.TAKEN.replace("GPU", "XNNPACK"))  # fmt: skip
        with pytest.raises(MeasurementError, match="does not offer it"):
            parse(fallen_back, delegate="gpu")

    def test_xnnpack_where_none_was_asked_for(self):
        with pytest.raises(MeasurementError, match="although none was asked for"):
            parse(delegate="none")

    def test_partly_is_told_where_it_is_allowed(self):
        partly = CURRENT.replace(
            "completely executed by the delegate", "partially executed by the delegate w/ 2"
        )
        with pytest.raises(MeasurementError, match="only a part"):
            parse(partly)
        assert parse(partly, may_be_partial=True).delegate == "XNNPACK (partly)"

    def test_an_old_binary_that_does_not_say(self):
        silent = "\n".join(line for line in CURRENT.split("\n") if "XNNPACK" not in line)
        assert parse(silent).delegate is None
        assert parse(silent, delegate="none").delegate is None


class TestRefusals:
    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("count=74 first=14850", "count=0 first=14850", "no run"),
            ("avg=13520.2", "avg=nan", "no number"),
            ("avg=13520.2", "avg=1e400", "no number"),
            ("avg=13520.2", "avg=-13520.2", "no number"),
            ("avg=13520.2", "avg=13521.2", "contradicts"),
            ("avg=13520.2", "avg=135.202", "contradict"),
            ("min=13105", "min=14105", "contradict"),
            ("std=470", "std=47000", "contradict"),
            (" std=470", "", "missing"),
            ("std=470", "std=470 p5=13110", "percentiles are missing"),
            ("std=470", "std=470 p5=13110 median=15000 p95=14000", "contradict"),
            ("std=470", "std=470 std=471", "twice"),
            ("std=470", "std=47O", "no number"),
            ("std=470", "std=470 oops", "not key=value"),
            ("count=74 first=14850", "count=7\x004 first=14850", "no number"),
            ("count=74 first=14850", "count=99999999999999999999 first=14850", "no number"),
            ("count=74 first=14850", "Count=74 first=14850", "1 statistics lines"),
            ("Inference (avg): 13520.2", "Inference (avg): nan", "cannot be read"),
            ("Inference (avg): 13520.2", "Inference (avg): 13220.2", "contradicts itself"),
            ("First inference: 14744", "First inference: 14745000", "contradicts itself"),
            (
                "INFO: Inference timings",
                "INFO: count=3 curr=7(all same)\nINFO: Inference timings",
                "3 statistics",
            ),
            ("Init: 12750", "Init: 12750, Strange: 5", "cannot be read"),
        ],
    )
    def test_one_that_names_the_line(self, old, new, words):
        assert old in CURRENT
        with pytest.raises(MeasurementError, match=words) as caught:
            parse(CURRENT.replace(old, new))
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 600

    def test_zero_microseconds(self):
        text = golden("benchmark_current_all_same.txt").replace("=22", "=0").replace("(avg): 22", "(avg): 0")
        with pytest.raises(MeasurementError, match="0 us"):
            parse(text)

    def test_a_median_that_whole_microseconds_round_to_nothing_leaves_the_mean(self):
        figures = LaunchFigures(74, 0.4, 0, 2, 0.5, median_us=0)
        assert (figures.latency_us, launch_latency_us(figures)) == (0.4, 0.4)

    def test_every_truncation(self):
        """Cut anywhere, the output gives the full figures or an error."""
        for size in range(len(CURRENT)):
            with contextlib.suppress(MeasurementError):
                assert parse(CURRENT[:size]) == FIGURES_2024
                assert size > CURRENT.index("Inference (avg): 13520")

    def test_every_truncation_of_litert_s(self):
        stdout, stderr = golden("litert_stdout.txt"), golden("litert_stderr.txt")
        whole = parse(stdout, stderr)
        for size in range(len(stdout)):
            with contextlib.suppress(MeasurementError):
                assert parse(stdout[:size], stderr) == whole

    def test_a_line_of_ten_megabytes(self):
        with pytest.raises(MeasurementError, match="too long"):
            parse("count=" + "9" * 10_000_000 + "\n" + CURRENT.replace("count=37", "xount=37"))
        assert parse("x" * 10_000_000 + "\n" + CURRENT) == FIGURES_2024


class TestResultFile:
    LAUNCH = Launch("2024", Loop((40, 30)), Loop((1000003, 1000001, 1000000)), 77, False)

    def test_it_holds_more_digits_than_the_text(self):
        text_only = parse(self.LAUNCH.stdout)
        both = parse(self.LAUNCH.stdout, result=self.LAUNCH.result)
        assert text_only.mean_us == 1000000 and text_only.median_us is None
        assert both.mean_us == pytest.approx(1000001.333, abs=0.1)
        assert (both.median_us, both.p5_us, both.p95_us) == (1000001, 1000000, 1000003)

    def test_it_replaces_a_lost_summary(self):
        cut = self.LAUNCH.stdout.split("INFO: Inference timings")[0]
        with pytest.raises(MeasurementError, match="cut short"):
            parse(cut)
        assert parse(cut, result=self.LAUNCH.result).count == 3

    @pytest.mark.parametrize(
        "other", [(1000003, 1000001), (1000003, 1000001, 2000000), (1000003, 1000002, 1000003)]
    )
    def test_another_launch_s(self, other):
        result = Launch("2024", self.LAUNCH.warm_up, Loop(other), 77, False).result
        with pytest.raises(MeasurementError, match="another launch"):
            parse(self.LAUNCH.stdout, result=result)

    def test_every_truncation(self):
        result = self.LAUNCH.result
        whole = parse(self.LAUNCH.stdout, result=result)
        for size in range(len(result)):
            with contextlib.suppress(MeasurementError):
                assert parse(self.LAUNCH.stdout, result=result[:size]) == whole

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\xff" * 100,
            message(2, b""),
            message(2, varint(1 << 3 | 5) + struct.pack("<f", float("nan"))),
            message(2, varint(1 << 3 | 5) + struct.pack("<f", float("inf"))),
            message(2, varint(1 << 3 | 5) + struct.pack("<f", -1.0)),
            b"\x13" + b"\0" * 8,
            b"\x10\x05",
            b"\0" * 2_000_000,
        ],
    )
    def test_a_damaged_one(self, content):
        with pytest.raises(MeasurementError, match="result file"):
            parse(self.LAUNCH.stdout, result=content)
