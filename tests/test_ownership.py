"""One owner: what is held is refused to others with the holder's number, and free once the holder is dead."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fbsearch.errors import CheckpointError
from fbsearch.export import ConversionCache
from fbsearch.files import atomic_path
from fbsearch.ownership import owned, sweep
from fbsearch.spaces import load_space
from tests.latency.sample_table import sample_table

ROOT = Path(__file__).parents[1]
HOLD = """
import sys
from pathlib import Path
from fbsearch.errors import CheckpointError
from fbsearch.ownership import owned
with owned(Path(sys.argv[1]), error=CheckpointError, remedy="choose another --out"):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    """A process that holds ``path`` until its input ends."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    return holder


def own(path: Path):
    return owned(path, error=CheckpointError, remedy="choose another --out")


@pytest.fixture(params=["folder", "file", "new file"])
def held(request, tmp_path) -> Path:
    path = tmp_path / "held"
    if request.param == "folder":
        path.mkdir()
    elif request.param == "file":
        path.write_text("content")
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_a_second_owner_is_refused_with_the_first_ones_number(held):
    holder = hold(held)
    with (
        pytest.raises(CheckpointError, match=rf"in use by process {holder.pid}: wait.*another --out"),
        own(held),
    ):
        pass
    holder.communicate("")
    assert holder.returncode == 0
    with own(held):
        pass
    assert not names(held.parent) - {"held"}


def test_a_killed_owner_holds_nothing(held):
    holder = hold(held)
    holder.kill()
    assert holder.wait() == -signal.SIGKILL
    with own(held), pytest.raises(CheckpointError, match=f"process {os.getpid()}"), own(held):
        pass
    assert not names(held.parent) - {"held"}


def test_an_owner_lets_go_when_it_fails(held):
    with pytest.raises(RuntimeError), own(held):
        raise RuntimeError
    with own(held):
        pass


def test_a_lock_that_says_nothing_or_nonsense_is_another_process(tmp_path):
    with own(tmp_path):
        for content in (b"", b"\xff\xfe\x00", b"process 12 of nobody", b"process \x1b[2J on x\n" * 1000):
            (tmp_path / ".lock").write_bytes(content)
            with pytest.raises(CheckpointError, match="in use by another process"), own(tmp_path):
                pass


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("elsewhere")])
def test_a_lock_that_is_no_plain_file_is_one_line(tmp_path, make):
    make(tmp_path / ".lock")
    with pytest.raises(CheckpointError, match=r"\.lock: cannot write a lock"), own(tmp_path):
        pass
    assert names(tmp_path) == {".lock"}


def test_half_written_files_of_dead_processes_are_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "search").mkdir()
    mine, theirs = f".a.json.{os.getpid()}.tmp", f".a.json.{dead.pid}.tmp"
    for name in (
        mine,
        theirs,
        f"search/.b.{dead.pid}.tmp",
        f".writable.{dead.pid}",
        ".kept.tmp",
        "kept.1.tmp",
    ):
        (tmp_path / name).write_text("")
    with own(tmp_path / "a.json"):
        assert theirs not in names(tmp_path) and f".b.{dead.pid}.tmp" in names(tmp_path)
    with own(tmp_path):
        assert names(tmp_path) == {".lock", mine, "search", ".kept.tmp", "kept.1.tmp"}


def test_a_cache_that_other_computers_may_share_is_swept_of_old_ones_alone(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old, new = (tmp_path / "onnx" / f".{name}.onnx.{dead.pid}.tmp" for name in ("old", "new"))
    old.parent.mkdir()
    for path in (old, new):
        path.write_text("")
    os.utime(old, (0, 0))
    ConversionCache(tmp_path).check_writable()
    assert names(tmp_path) == {"onnx", new.name}


def test_sweeping_removes_nothing_but_plain_names_of_processes(tmp_path):
    (tmp_path / ".a.99999999999999.tmp").write_text("")
    sweep(tmp_path)
    assert names(tmp_path) == {".a.99999999999999.tmp"}


def test_commands_refuse_a_folder_that_another_process_has(failing, tmp_path):
    out, table, network = tmp_path / "run", tmp_path / "table.json", tmp_path / "a.json"
    sample_table().save(table)
    load_space("digits").decode((0, 1, 2, 3)).save(network)
    out.mkdir()
    images = ("--data", "digits", "--limit", 50, "--out", out)
    holder = hold(out)
    for command in (
        ("run", "quickstart", "--out", out, "--resume"),
        ("run", "quickstart", "--out", out, "--budgets", "30,50%"),
        ("search", "--space", "digits", "--table", table, "--budget-ms", 1, *images),
        ("train", network, *images),
    ):
        assert f"{out} is in use by process {holder.pid}: wait" in failing(*command)
    holder.communicate("")
    assert not names(out)


def test_a_file_may_be_read_by_whom_the_process_lets(tmp_path):
    """Some libraries write files that only their owner may read, whatever the process says."""
    path, mask = tmp_path / "file", os.umask(0o027)
    try:
        with atomic_path(path) as temporary:
            temporary.unlink()
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
