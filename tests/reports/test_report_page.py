"""The page as a whole: complete, partial, damaged and hostile runs."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fbsearch.errors import ArchitectureError, CheckpointError, FbsearchError, TableError
from fbsearch.reports import write_figures, write_report
from tests.reports.sample_run import SampleRun, write_sample_run

VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = '<script>alert("1")</script>&amp;\'"'


class Page(HTMLParser):
    """Checks that tags close, and collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"unclosed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, with plain spaces."""
        return " ".join(" ".join(self.words).replace("\u00a0", " ").split())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def report(folder: Path) -> Page:
    return Page(write_report(folder).read_text("utf-8"))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    return write_sample_run(tmp_path_factory.mktemp("whole") / "quickstart")


@pytest.fixture
def run(whole: SampleRun, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(whole.folder, tmp_path / "quickstart")


def test_says_the_verdict_in_a_sentence(run: Path) -> None:
    page = report(run)
    measured = 1000 * json.loads((run / "verification.json").read_text())["measured_ms"]
    assert f"The model takes {measured / 1000:.3f} ms on AMD EPYC, 83 % of its" in page.text
    assert "the prediction was off by \u22126 %" in page.text
    assert "Within budget" in page.text
    assert "Over budget" not in page.text


def test_shows_every_part(run: Path, whole: SampleRun) -> None:
    page = report(run)
    for heading in (
        "Architecture",
        "Search",
        "Training",
        "Latency table",
        "Device and settings",
        "Reproduce",
    ):
        assert heading in page.text
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    assert {link.removeprefix("#") for link in links if link} <= {a.get("id") for _, a in page.tags}
    blocks = [a for tag, a in page.tags if tag == "svg" and a.get("class") == "block"]
    assert len(blocks) == len(list(whole.space.decode(whole.choices).operators()))
    charts = [a for tag, a in page.tags if tag == "svg" and a.get("class") == "chart"]
    assert len(charts) == 6 + 2 + 3 + 3
    assert "fbsearch run digits --out runs/digits" in page.text
    for words in (
        "Confusion matrix",
        "Calibrated",
        "and a correction per layer",
        "For 12 whole networks",
        "AMD EPYC, 2 cores, Linux",
    ):
        assert words in page.text
    assert "missing" not in page.text


def test_several_devices_stand_side_by_side(run: Path) -> None:
    tablet = "latency_us on tablet (onnxruntime, 2 threads, fp32)"
    first = json.loads((run / "verification.json").read_text())
    changes = {"device": "tablet", "runtime": "onnxruntime", "threads": 2, "precision": "fp32"}
    edit(run / "verification.json", budgets=[
        {"cost": tablet, "bound": 90.0, "value": 80.0, "source": "measured", "is_kept": True},
        {"cost": "num_params", "bound": 50_000, "value": 41_234, "source": "counted", "is_kept": True},
    ])  # fmt: skip
    second = first | changes | {"budget_ms": 0.09, "predicted_ms": 0.085, "measured_ms": 0.08}
    (run / "verification-2.json").write_text(json.dumps(second))
    text = report(run).text
    devices = text[text.index("Devices") :]
    assert "AMD EPYC" in devices and "tflite, 1 thread" in devices
    assert "onnxruntime, 2 threads, fp32" in devices
    assert "0.090 ms 0.085 ms 0.080 ms yes" in devices
    assert "Parameters" in text and "Latency on tablet" not in text


def test_notices_name_the_device_among_several(run: Path) -> None:
    first = json.loads((run / "verification.json").read_text())
    second = first | {"device": "tablet", "threads": 2, "predicted_ms": 0.01, "top1_agreement": 0.62}
    (run / "verification-2.json").write_text(json.dumps(second | {"keeps_budget": False, "budget_ms": 0.05}))
    text = report(run).text
    assert "Over budget" in text and "Within budget" not in text
    tablet = "tablet (tflite, 2 threads, fp32)"
    for title in (
        "The model does not keep its budget",
        "The prediction was poor",
        "The exported model disagrees with the network",
    ):
        assert f"{title} on {tablet}" in text and text.count(title) == 1
    assert f"Profiling on {tablet} is missing" in text and "no table-2.json" in text
    assert "The model takes" in text and "on AMD EPYC" in text and "ms on tablet" in text


def test_a_device_that_the_model_was_not_measured_on_leaves_the_budget_unproven(run: Path) -> None:
    table = json.loads((run / "table.json").read_text())
    table["device"]["name"] = "tablet"
    (run / "table-2.json").write_text(json.dumps(table))
    text = report(run).text
    assert "Not measured on the device" in text and "has not been measured on every device" in text
    assert "Verification on tablet (tflite, 1 thread, fp32) is missing" in text and "not measured" in text


def test_needs_nothing_from_outside(run: Path) -> None:
    page = report(run)
    text = (run / "report.html").read_text()
    assert not {"script", "link", "iframe", "img", "object", "embed"} & {tag for tag, _ in page.tags}
    assert not re.search(r"https?:|url\(|@import|@font-face", text)
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert all((a.get("href") or "#").startswith("#") for _, a in page.tags)
    assert not [a for _, a in page.tags if "src" in a or "srcset" in a]


def test_can_be_read_without_seeing_it(run: Path) -> None:
    page = report(run)
    assert ("html", {"lang": "en"}) in page.tags
    assert page.count("h1") == 1
    figures = [a for tag, a in page.tags if tag == "svg" and "class" in a]
    assert all(a.get("role") == "img" and a.get("aria-label") for a in figures)
    assert all("scope" in a for tag, a in page.tags if tag == "th")
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_is_the_same_every_time(run: Path) -> None:
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


def test_figures_are_files_of_their_own(run: Path, tmp_path: Path) -> None:
    written = write_figures(run, tmp_path / "figures")
    names = [path.name for path in written]
    assert names == ["pareto.svg", "latencies.svg", "probabilities.svg", "predictions.svg"]
    for path in written:
        text = path.read_text("utf-8")
        Page(text)
        assert text.startswith("<svg ") and "prefers-color-scheme: dark" in text
    (run / "search" / "result.json").unlink()
    with pytest.raises(CheckpointError, match="nothing to draw"):
        write_figures(run, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_follows_light_and_dark(run: Path) -> None:
    assert "prefers-color-scheme: dark" in write_report(run).read_text()


def test_stays_small_and_whole_at_fbnet_size(tmp_path: Path) -> None:
    sample = write_sample_run(
        tmp_path / "big",
        space="fbnet",
        class_names=[f"class {index}" for index in range(300)],
        search_epochs=90,
        train_epochs=2000,
    )
    page = report(sample.folder)
    assert (sample.folder / "report.html").stat().st_size < 400_000
    assert "Confusion matrix" not in page.text
    assert "the 20 lowest of 300" in page.text
    assert sum(a.get("class") == "block" for tag, a in page.tags if tag == "svg") == 22 + 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"budget_ms": 0.01, "keeps_budget": False}, "The model does not keep its budget"),
        ({"keeps_budget": False}, "verification.json says that the budget is not kept"),
        (
            {
                "budgets": [
                    {"cost": "num_macs", "bound": 1e6, "value": 2e6, "source": "counted", "is_kept": False}
                ]
            },
            "Multiply-adds: 2.00 M of 1.00 M",
        ),
        ({"is_converged": False}, "The measurement did not converge"),
        ({"top1_agreement": 0.62}, "The exported model disagrees with the network"),
        ({"test_accuracy": 0.5, "torch_test_accuracy": 0.9}, "The export lost accuracy"),
        ({"predicted_ms": 0.01}, "The prediction was poor"),
        ({"measured_p95_ms": 9.0}, "Some runs take longer than the budget"),
    ],
)
def test_says_loudly_what_went_wrong(run: Path, changes: dict[str, Any], expected: str) -> None:
    assert expected not in report(run).text
    edit(run / "verification.json", **changes)
    assert expected in report(run).text


def test_names_the_teacher(run: Path) -> None:
    teacher = {"name": "models:<large>", "resolution": 128, "mean": [0.5], "std": [0.5], "head": "fit"}
    weights = {"val_accuracy": 0.705, "temperature": 4.0, "soft_weight": 0.9, "feature_weight": 1.0}
    edit(run / "train" / "result.json", teacher={**teacher, **weights})
    assert (
        "Taught by models:<large>: soft labels of a linear head on its features (validation accuracy 70.5 %) "
        "at temperature 4.00, weight 0.900 and its feature map, weight 1.00; images of 128 px."
        in report(run).text.replace("\u00a0", " ")
    )
    edit(run / "train" / "result.json", teacher=None)
    assert "Taught by" not in report(run).text


def test_over_budget_is_the_headline(run: Path) -> None:
    edit(run / "verification.json", budget_ms=0.05, keeps_budget=False)
    page = report(run)
    assert "Over budget" in page.text
    assert "Within budget" not in page.text


def test_tells_of_a_collapse_a_failed_stage_and_a_diverged_loss(run: Path) -> None:
    edit(run / "search" / "result.json", collapse="every layer fell to skip")
    edit(run / "run.json", stages={"train": {"seconds": 1.0, "error": "out of memory"}})
    with (run / "train" / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 99, "train_loss": NaN}\n')
    page = report(run)
    for words in (
        "The search collapsed",
        "every layer fell to skip",
        "out of memory",
        "The training diverged",
    ):
        assert words in page.text


def test_tells_of_a_search_that_did_not_decide(run: Path) -> None:
    assert "did not decide" not in report(run).text
    edit(run / "search" / "result.json", undecided="entropy 1.94 of 1.946")
    text = report(run).text
    assert "The search did not decide" in text and "entropy 1.94 of 1.946" in text


def test_tells_of_a_zen_score_that_is_rough(run: Path) -> None:
    edit(run / "search" / "result.json", rough_zen="the space is no chain")
    text = report(run).text
    assert "Zen-Score is rough here" in text and "the space is no chain" in text


def test_a_resumed_search_took_what_all_its_tries_took(run: Path) -> None:
    edit(run / "search" / "result.json", seconds=4.3)
    edit(run / "run.json", stages={"search": {"seconds": 200.0}})
    text = report(run).text
    assert "the search took 3 min 20 s" in text and "4.3 s" not in text


def test_five_classes_or_fewer_show_no_top_five(run: Path, tmp_path: Path) -> None:
    assert "top-5" in report(run).text
    few = write_sample_run(tmp_path / "few", class_names=["ant", "bee", "cat", "dog", "elk"])
    assert "top-5" not in report(few.folder).text


def test_names_an_operator_that_the_table_lacks(run: Path, whole: SampleRun) -> None:
    key = whole.space.decode(whole.choices).group("layers")[0].key
    table = json.loads((run / "table.json").read_text())
    del table["entries"][key], table["calibration"]
    (run / "table.json").write_text(json.dumps(table))
    page = report(run)
    assert "The table lacks an operator of the architecture" in page.text
    assert key in page.text


FILES = [
    "run.json",
    "recipe.yaml",
    "table.json",
    "search/metrics.jsonl",
    "search/result.json",
    "architecture.json",
    "train/metrics.jsonl",
    "train/result.json",
    "verification.json",
]


@pytest.mark.parametrize("name", FILES)
def test_any_file_may_be_missing(run: Path, name: str) -> None:
    (run / name).unlink()
    report(run)


@pytest.mark.parametrize("name", FILES)
def test_any_file_may_be_alone(run: Path, tmp_path: Path, name: str) -> None:
    alone = tmp_path / "alone" / name
    alone.parent.mkdir(parents=True)
    shutil.copy(run / name, alone)
    page = report(tmp_path / "alone")
    if name != "verification.json":
        assert "Not measured on the device" in page.text
        assert "Verification on the device is missing" in page.text


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"{", b"[]", b"[1, 2]\n{}", b'"text"', b"null", b"[" * 3000]
)
def test_a_damaged_file_is_one_clear_line(run: Path, name: str, content: bytes) -> None:
    (run / name).write_bytes(content)
    if name.endswith("metrics.jsonl") and content == b"{":
        report(run)  # a torn last line: the stage was killed while writing it
        return
    with pytest.raises((CheckpointError, ArchitectureError, TableError)) as caught:
        write_report(run)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("verification.json", {"measured_ms": "fast"}, "measured_ms"),
        ("verification.json", {"measured_ms": 0}, "measured_ms"),
        ("verification.json", {"top1_agreement": 1.5}, "top1_agreement"),
        ("search/result.json", {"chosen": 77}, "chosen is 77"),
        ("search/result.json", {"finalists": []}, "finalists"),
        (
            "search/result.json",
            {"slots": [{"names": ["a"], "latencies_us": [], "probabilities": []}]},
            "slots.0",
        ),
        ("train/result.json", {"test": {"top1": 0.9, "confusion": [[1, 2]]}}, "test"),
    ],
)
def test_a_wrong_field_is_named(run: Path, name: str, changes: dict[str, Any], field: str) -> None:
    edit(run / name, **changes)
    with pytest.raises(CheckpointError, match=field):
        write_report(run)


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such run folder"):
        write_report(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="no file of a run"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_failure_keeps_the_old_page(run: Path) -> None:
    before = write_report(run).read_bytes()
    (run / "run.json").write_text("{")
    with pytest.raises(FbsearchError):
        write_report(run)
    assert (run / "report.html").read_bytes() == before


def test_hostile_texts_stay_text(tmp_path: Path) -> None:
    names = [HOSTILE + str(index) for index in range(10)]
    run = write_sample_run(tmp_path / "quickstart", class_names=names, device_name=HOSTILE).folder
    edit(run / "run.json", command=HOSTILE, machine={"model": HOSTILE}, stages={HOSTILE: {"seconds": 1}})
    result = json.loads((run / "search" / "result.json").read_text())
    result["collapse"] = HOSTILE
    for slot in result["slots"]:
        slot["names"] = [f"{name}{HOSTILE}" for name in slot["names"]]
    for finalist in result["finalists"]:
        finalist["source"] = HOSTILE
    (run / "search" / "result.json").write_text(json.dumps(result))
    (run / "recipe.yaml").write_text(f"name: {json.dumps(HOSTILE + '</pre></details>')}\n")
    edit(run / "verification.json", model=HOSTILE, runtime_version=HOSTILE)
    page = report(run)
    assert page.count("script") == 0
    assert "<script" not in (run / "report.html").read_text()
    assert page.text.count("<script>alert(") > 20


def test_the_command_may_be_a_list(run: Path) -> None:
    edit(run / "run.json", command=["fbsearch", "run", "my recipe.yaml"])
    assert "fbsearch run 'my recipe.yaml'" in report(run).text


def test_the_last_of_repeated_epochs_counts(run: Path) -> None:
    rows = [
        '{"epoch": 0, "train_loss": 9.0}',
        '{"epoch": 1, "train_loss": 8.0}',
        '{"epoch": 1, "train_loss": 2.5}',
    ]
    (run / "train" / "metrics.jsonl").write_text("\n".join(rows) + '\n{"epoch": 2, "tra')
    labels = [a.get("aria-label") for tag, a in report(run).tags if tag == "svg"]
    assert "Loss by epoch: training from 9.00 to 2.50" in labels
