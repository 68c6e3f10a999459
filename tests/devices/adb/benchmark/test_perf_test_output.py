"""onnxruntime_perf_test's output and result file become figures, everything else an error."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.devices.adb.benchmark.perf_test_output import parse_perf_test
from fbsearch.errors import MeasurementError
from tests.devices.adb.benchmark.official_outputs import PerfTest, perf_tests

DATA = Path(__file__).parent / "data"
CURRENT = (DATA / "perf_test_current.txt").read_text(encoding="utf-8")
ROWS = (DATA / "perf_test_2019.csv").read_text(encoding="utf-8")


def parse(stdout: str = CURRENT, stderr: str = "", exit_code: int = 0, *, result: str | None = ROWS):
    return parse_perf_test(stdout, stderr, exit_code, result=result)


class TestOfficialForms:
    @pytest.mark.parametrize("year", ["2019", "2021"])
    def test_rows_of_every_run(self, year):
        text = (DATA / f"perf_test_{year}.txt").read_text(encoding="utf-8")
        figures = parse(text, result=(DATA / f"perf_test_{year}.csv").read_text(encoding="utf-8"))
        assert (figures.count, figures.mean_us) == (4, pytest.approx(62500))
        assert (figures.min_us, figures.max_us, figures.median_us) == pytest.approx((60500, 65500, 62000))
        assert figures.std_us == pytest.approx(np.std([60500, 61500, 62500, 65500]))

    def test_text_alone(self):
        figures = parse(result=None)
        assert (figures.median_us, figures.min_us, figures.max_us) == pytest.approx((62500, 60500, 65500))
        assert (figures.std_us, figures.init_us, figures.first_us) == (None, pytest.approx(217932), 66000)
        with pytest.raises(MeasurementError, match="no smallest"):
            parse((DATA / "perf_test_2019.txt").read_text(encoding="utf-8"), result=None)

    @given(perf_tests, st.booleans())
    def test_a_generated_output_gives_the_figures_it_was_made_from(self, launch: PerfTest, with_rows: bool):
        if launch.form == "2019" and not with_rows:
            return
        figures = parse(launch.stdout, result=launch.result if with_rows else None)
        values = np.array(launch.seconds) * 1e6
        assert (figures.count, figures.mean_us) == (len(values), pytest.approx(values.mean(), rel=2e-5))
        assert (figures.min_us, figures.max_us) == pytest.approx((values.min(), values.max()), rel=1e-9)
        if with_rows:
            assert figures.median_us == pytest.approx(np.median(values), rel=1e-9)


class TestRefusals:
    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("62.500000 ms", "nan ms", "cannot be read"),
            ("62.500000 ms", "62.500000", "cannot be read"),
            ("62.500000 ms", "62.500000 s", "cannot be read"),
            ("62.500000 ms", "-1 ms", "cannot be read"),
            ("62.500000 ms", "63.5 ms", "another launch"),
            ("requests: 4", "requests: 0", "cannot be read"),
            ("requests: 4", "requests: 5", "number of runs"),
            ("P50 Latency: 0.0625 s", "P50 Latency: 1e999 s", "cannot be read"),
            ("Average inference time cost total: 62.500000 ms\n", "", "average time cost"),
        ],
    )
    def test_text(self, old, new, words):
        assert old in CURRENT
        with pytest.raises(MeasurementError, match=words):
            parse(CURRENT.replace(old, new))

    @pytest.mark.parametrize(
        ("result", "words"),
        [
            ("", "0 rows"),
            ("block\n", "no run"),
            ("block,nan,1,2,0\n", "no run"),
            (ROWS.replace("0.0605", "0.06a5"), "no run"),
            (ROWS + "block,0.06,1,2,4\n", "another launch"),
            (ROWS[:-4], "cut short"),
            ("x" * 10_000_000 + "\n", "no run"),
        ],
    )
    def test_result_file(self, result, words):
        with pytest.raises(MeasurementError, match=words) as caught:
            parse(result=result)
        assert len(str(caught.value)) < 600

    def test_failures(self):
        with pytest.raises(MeasurementError, match="newer one"):
            parse(
                "", "Load of model failed: Unsupported model IR version: 10, max supported IR version: 8", 1
            )
        with pytest.raises(MeasurementError, match="aborted"):
            parse("", "", 134)
        with pytest.raises(MeasurementError, match="library"):
            parse("", 'CANNOT LINK EXECUTABLE: library "libonnxruntime.so" not found', 1)

    def test_every_truncation(self):
        for size in range(len(CURRENT)):
            with contextlib.suppress(MeasurementError):
                assert parse(CURRENT[:size]).median_us == pytest.approx(62000)
