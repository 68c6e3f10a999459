"""Curves for TensorBoard: it reads them, and a full disk is an error like any other."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fbsearch.train.event_file import EventFile


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    read = EventAccumulator(str(folder))
    read.Reload()
    return {tag: [(one.step, one.value) for one in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def test_tensorboard_reads_the_rows(tmp_path):
    with EventFile(tmp_path / "tensorboard", first_step=0) as file:
        for step in range(3):
            file.add({"loss": 2.0 - step, "accuracy": 0.25 * step}, step=step)
    assert curves(tmp_path / "tensorboard") == {
        "loss": [(0, 2.0), (1, 1.0), (2, 0.0)],
        "accuracy": [(0, 0.0), (1, 0.25), (2, 0.5)],
    }


def test_a_row_is_there_as_soon_as_it_is_added(tmp_path):
    with EventFile(tmp_path, first_step=0) as file:
        file.add({"loss": 1.0}, step=0)
        assert curves(tmp_path) == {"loss": [(0, 1.0)]}


def test_what_a_killed_run_wrote_of_later_epochs_is_purged(tmp_path):
    with EventFile(tmp_path, first_step=0) as file:
        for step in range(3):
            file.add({"loss": 9.0}, step=step)
    with EventFile(tmp_path, first_step=1) as file:
        file.add({"loss": 1.0}, step=1)
    assert len(list(tmp_path.iterdir())) == 2
    assert curves(tmp_path) == {"loss": [(0, 9.0), (1, 1.0)]}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error_of_the_system(tmp_path):
    file = EventFile(tmp_path, first_step=0)
    with Path("/dev/full").open("wb") as full:
        file._file, whole = full, file._file
        file._records._writer = full
        with pytest.raises(OSError, match="No space left"):
            file.add({"loss": 1.0}, step=0)
        full.raw.close()
    whole.close()
