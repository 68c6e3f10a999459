"""Writes docs/phone_faults.md: each fault at three moments of a profile on the simulated phone, and its end.

Run it from the repository's root; it needs the packages of the tests, and a quarter of an hour:

    python -m tools.phone_faults

``--only NAME`` tries some faults alone and writes no page. Exit code 1 if a measured round was lost, a rerun
was not complete, something stayed on the phone, or a run ended with a traceback.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tools.simulated_phone import Fault, SimulatedPhone

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "phone_faults.md"
BINARY = REPOSITORY / "tools" / "simulated_phone" / "benchmark_model"
FOLDER = "/data/local/tmp"
COMMAND = "fbsearch profile --space space.yaml --device sim --out table.json"
WARM_UP = 5
"""Invocations of a warm-up, which is a launch but no round; a round has at least ten."""
FOR_GOOD = 10_000

SPACE = """\
name: small
resolution: 16
in_channels: 1
num_classes: 10
activation: relu
stem: {channels: 16, kernel: 3, stride: 1}
stages:
  - {channels: 24, layers: 1, stride: 2}
candidates: [k3_e1, k3_e3]
head: {channels: 128}
"""
PROTOCOL = (
    "{drift_tolerance: 3.0, patience_s: 30, cooldown_s: 0.5, target_relative_ci: 0.95, round_ms: 20,"
    " min_rounds: 3, max_rounds: 3, confidence: 0.75, sentinel_period: 3, initial_sentinel_readings: 1}"
)
"""Quick, and wide enough for a simulation on a busy computer; the phone's own word on throttling counts."""


@dataclass
class Stage:
    """What one case plays on.

    Args:
        folder: where the command runs.
        phone: the simulated phone.
        process: the command.
        others: other phones that play a part.
    """

    folder: Path
    phone: SimulatedPhone
    process: subprocess.Popen[str] | None = None
    others: list[SimulatedPhone] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """A fault at a moment.

    Args:
        fault: for people.
        moment: likewise.
        faults: injected before the command starts.
        act: runs beside the command.
        has_keys: whether the phone lets in only hosts that its owner allowed.
        allows_after_s: after how long the owner taps "allow" on a key.
    """

    fault: str
    moment: str
    faults: tuple[Fault, ...] = ()
    act: Callable[[Stage], None] | None = None
    has_keys: bool = False
    allows_after_s: float | None = 1.0


@dataclass
class Run:
    """One run of the command as its user sees it."""

    exit_code: int
    said: list[str]
    seconds: float
    left_over: str


@dataclass
class Outcome:
    """What came of a case."""

    case: Case
    runs: list[Run]
    num_launched: int
    num_in_table: int
    note: str = ""

    @property
    def lost(self) -> int:
        """Good launches whose figures the table lacks."""
        return self.num_launched - self.num_in_table

    @property
    def problem(self) -> str:
        """What is not as it must be; empty where all is well."""
        problems = []
        if self.lost:
            problems.append(f"{self.num_launched} rounds measured, {self.num_in_table} in the table")
        if self.runs[-1].exit_code != 0:
            problems.append("no table in the end")
        if any(run.exit_code not in (0, 2, 130, -signal.SIGKILL) for run in self.runs):
            problems.append("an exit code of a bug")
        is_signalled = self.case.fault.startswith(("Ctrl-C", "killed"))
        if is_signalled and self.runs[0].exit_code not in (130, -signal.SIGKILL):
            problems.append("it ended before the signal")
        if any("Traceback" in line for run in self.runs for line in run.said):
            problems.append("a traceback")
        if self.runs[-1].left_over:
            problems.append(f"left on the phone: {self.runs[-1].left_over}")
        return "; ".join(problems)


# What is tried


def cases() -> list[Case]:
    """Every fault at its three moments."""
    return [
        *_of_the_link(),
        *_revoked(),
        *_disk_full(),
        *_of_the_binary(),
        *_prefix(),
        *_throttled(),
        *_interrupted("Ctrl-C", signal.SIGINT),
        *_interrupted("killed (SIGKILL)", signal.SIGKILL),
    ]


_PUSHING, _FIRST, _LATE = "models are pushed", "first launches", "late in measuring"


def _of_the_link() -> list[Case]:
    kinds = (
        ("cable pulled", "cable_pulled", ""),
        ("phone rebooting", "rebooting", ""),
        ("adbd killed", "adbd_killed", ""),
    )
    moments = ((_PUSHING, "push", 4), (_FIRST, "benchmark", 3), (_LATE, "benchmark", 20))
    return [
        Case(name, moment, (Fault(kind, at=at, after=after, variant=variant),))  # type: ignore[arg-type]
        for name, kind, variant in kinds
        for moment, at, after in moments
    ]


def _revoked() -> list[Case]:
    name = "authorisation revoked"
    early, late = (Fault("authorisation_revoked", after=after) for after in (3, 20))
    return [
        Case(f"{name}, nobody taps Allow", "connecting", has_keys=True, allows_after_s=None),
        Case(f"{name}, allowed anew after 1 s", _FIRST, (early,), has_keys=True),
        Case(f"{name}, nobody taps Allow", _LATE, (late,), _then_nobody_allows, has_keys=True),
    ]


def _disk_full() -> list[Case]:
    return [
        Case("disk full", "the binary is pushed", (Fault("disk_full", at="push", times=FOR_GOOD),)),
        Case("disk full", _PUSHING, (Fault("disk_full", at="push", after=4, times=FOR_GOOD),)),
        Case("disk full", _LATE, (Fault("disk_full", at="shell", after=40, times=FOR_GOOD),)),
    ]


def _of_the_binary() -> list[Case]:
    kinds = (
        ("hung binary", "hung_binary", ("", "", "")),
        ("crashing binary", "crashing_binary", ("", "", "")),
        ("truncated output", "truncated_output", ("line", "warm-up", "empty")),
        ("garbage output", "garbage_output", ("noise", "nan", "count0")),
    )
    found = []
    for name, kind, (first, middle, last) in kinds:
        once = [
            Fault(kind, after=after, variant=variant)  # type: ignore[arg-type]
            for after, variant in ((3, first), (20, last))
        ]
        for_good = Fault(kind, after=12, times=FOR_GOOD, variant=middle)  # type: ignore[arg-type]
        found += [
            Case(f"{name}, once" + (f" ({first})" if first else ""), _FIRST, (once[0],)),
            Case(f"{name}, from then on" + (f" ({middle})" if middle else ""), "midway", (for_good,)),
            Case(f"{name}, once" + (f" ({last})" if last else ""), _LATE, (once[1],)),
        ]
    moments = (("first launch", 0), ("midway", 12), (_LATE, 20))
    found += [
        Case("wrong ABI, from then on", moment, (Fault("wrong_abi", after=after, times=FOR_GOOD),))
        for moment, after in moments
    ]
    return found


def _prefix() -> list[Case]:
    name = "two phones with one serial prefix"
    pulled = Fault("cable_pulled", after=20, seconds=3)
    return [
        Case(name, "both from the start", act=_twin_at_once),
        Case(name, "the other comes at the first launches", act=_twin_later),
        Case(f"{name}, ours is unplugged", _LATE, (pulled,), _twin_at_once),
    ]


def _throttled() -> list[Case]:
    moments = ((_FIRST, 3), ("midway", 12), (_LATE, 18))
    return [
        Case("throttled", moment, (Fault("throttled", after=after, times=8, seconds=60.0),))
        for moment, after in moments
    ]


def _interrupted(name: str, number: signal.Signals) -> list[Case]:
    moments = ((_PUSHING, "push", 4), (_FIRST, "launch", 4), (_LATE, "launch", 21))
    return [
        Case(name, moment, act=lambda stage, n=number, k=kind, c=count: _send(stage, n, k, c))
        for moment, kind, count in moments
    ]


def _send(stage: Stage, number: signal.Signals, kind: str, count: int) -> None:
    """A signal to the command at the given event of the phone."""
    stage.phone.events.wait_for(kind, count=count, timeout_s=240)
    assert stage.process is not None
    stage.process.send_signal(number)


def _then_nobody_allows(stage: Stage) -> None:
    stage.phone.events.wait_for("launch", timeout_s=240)
    stage.phone.approve_after_s = None


def _twin(stage: Stage) -> None:
    """A phone whose address continues that of ours."""
    for digit in range(10):
        port = 10 * stage.phone.port + digit
        try:
            stage.others.append(
                SimulatedPhone(stage.folder / "twin", port=port, serial="SIM00000012").start()
            )
        except OSError:
            continue
        return
    raise OSError(f"no port of ten that begin with {stage.phone.port} is free")


def _twin_at_once(stage: Stage) -> None:
    _twin(stage)


def _twin_later(stage: Stage) -> None:
    stage.phone.events.wait_for("launch", timeout_s=240)
    _twin(stage)


# Playing


def play(case: Case) -> Outcome:
    """Run the command with the fault, and again where it failed, on a phone that is well again."""
    with tempfile.TemporaryDirectory(prefix="phone-faults-") as name:
        folder = Path(name)
        keys = _keys(folder) if case.has_keys else None
        port = _port()
        _write_settings(folder, port)
        phone = SimulatedPhone(
            folder / "phone",
            port=port,
            authorised=keys,
            approve_after_s=case.allows_after_s,
            faults=case.faults,
        )
        if case.has_keys and case.moment == "connecting":
            assert phone.keys is not None
            phone.keys.clear()
        runs, notes = [], []
        with phone:
            runs.append(_run(Stage(folder, phone), case.act, notes))
        if runs[0].exit_code != 0:
            with SimulatedPhone(folder / "phone", port=port, authorised=keys) as well:
                well.state.set_fixed_performance(phone.fixed_performance)  # no reboot lies between
                runs.append(_run(Stage(folder, well), None, notes))
        if case.fault == "throttled":
            notes.append(_discarded(folder))
        return Outcome(case, runs, _num_launched(folder), _num_in_table(folder), "; ".join(notes))


def _run(stage: Stage, act: Callable[[Stage], None] | None, notes: list[str]) -> Run:
    """One run of the command beside what happens to the phone."""
    start = time.monotonic()
    phone = stage.phone
    if act in (_twin_at_once,):
        act(stage)
        act = None
    stage.process = subprocess.Popen(
        [sys.executable, "-m", *COMMAND.split()],
        cwd=stage.folder,
        env=_environment(stage.folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    beside = threading.Thread(target=act or (lambda stage: None), args=(stage,), daemon=True)
    beside.start()
    out, err = stage.process.communicate(timeout=500)
    beside.join(timeout=250)
    said = [_as_told(line, phone.port) for line in (out + err).splitlines() if line.strip()]
    for other in stage.others:
        notes.append(f"the other phone saw {len(other.events.of('connected'))} connections")
        other.close()
    return Run(stage.process.returncode, said, time.monotonic() - start, _left_over(phone))


def _left_over(phone: SimulatedPhone) -> str:
    """What of the run is still on the phone."""
    time.sleep(0.3)  # what was told to end ends
    found = sorted(path.name for path in phone.sandbox.to_host(FOLDER).iterdir())
    parts = [f"`{FOLDER}/{name}`" for name in found]
    if phone.fixed_performance:
        parts.append("fixed-performance mode")
    num_running = len(phone.process_ids())
    if num_running:
        parts.append(f"{num_running} processes")
    return ", ".join(parts)


def _write_settings(folder: Path, port: int) -> None:
    (folder / "space.yaml").write_text(SPACE)
    (folder / "devices").mkdir()
    (folder / "devices" / "sim.yaml").write_text(
        f"name: sim\nkind: adb\naddress: 127.0.0.1:{port}\ntransport: tcp\nadb_key: {folder}/adbkey\n"
        f"binary: {BINARY}\nwarmup_ms: 5\nmax_launch_s: 0.5\nprotocol: {PROTOCOL}\n"
    )


def _keys(folder: Path) -> list[str]:
    from fbsearch.devices.adb.link.keys import load_key

    load_key(folder / "adbkey", warn=lambda line: None)
    return [(folder / "adbkey.pub").read_text()]


def _environment(folder: Path) -> dict[str, str]:
    """The user's own, but for what the command keeps between runs; converted models are shared."""
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "FBSEARCH_CACHE": os.environ.get(
            "FBSEARCH_CACHE", str(Path(tempfile.gettempdir()) / "fbsearch-faults")
        ),
        "COLUMNS": "1000",
    }


_ports = iter(range(5600, 6400))
_ports_lock = threading.Lock()


def _port() -> int:
    """A free port whose tenfold is one, too."""
    import socket

    with _ports_lock:
        for port in _ports:
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            return port
    raise OSError("no free port between 5600 and 6400")


def _num_launched(folder: Path) -> int:
    """Good launches in the record that were rounds of an operator."""
    record = folder / "table.launches.jsonl"
    rows = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    return sum(
        "figures" in row
        and row["num_runs"] > WARM_UP
        and not row["model"].startswith("mbconv_k3_e6_s1_relu_c32")
        for row in rows
    )


def _num_in_table(folder: Path) -> int:
    """Rounds in the table, discarded ones included."""
    table = folder / "table.json"
    if not table.exists():
        return 0
    return sum(
        len(entry["rounds_us"]) + entry["num_discarded"]
        for entry in json.loads(table.read_text())["entries"].values()
    )


def _discarded(folder: Path) -> str:
    sentinel = json.loads((folder / "table.json").read_text())["sentinel"]
    return f"{sentinel['num_discarded_windows']} of {sentinel['num_windows']} windows were measured again"


def _as_told(line: str, port: int) -> str:
    """A line without what differs from run to run."""
    return line.replace(f"127.0.0.1:{port}", "192.168.1.20:5555").rstrip()


# The page


def page(outcomes: list[Outcome]) -> str:
    """The table in Markdown."""
    num_lost = sum(outcome.lost for outcome in outcomes)
    problems = [outcome for outcome in outcomes if outcome.problem]
    lines = [
        "# What happens when something goes wrong at the phone",
        "",
        "Written by `python -m tools.phone_faults`: do not edit. Each fault came at three moments of",
        "",
        f"    {COMMAND}",
        "",
        "on the simulated phone (tools/simulated_phone), over TCP; the address is written as that of a phone",
        "on a network. *Seen* is everything that the command printed, and its exit code. *Lost* is rounds",
        "that were measured in either run and are not in the table. *Rerun* is the same command once more,",
        "after the fault is gone; where the first run ended well, there is none. *Left* is what a run left",
        "on the phone: after a run that was killed, or that lost the phone for good, the next tidies up.",
        "",
        f"{len(outcomes)} cases: {num_lost} rounds lost, {len(problems)} that did not end as they should.",
        "",
        "| fault | moment | seen | lost | rerun | left |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(outcome) for outcome in outcomes]
    if problems:
        lines += ["", "## Not as it should be", ""]
        lines += [f"- {o.case.fault}, {o.case.moment}: {o.problem}" for o in problems]
    return "\n".join(lines) + "\n"


def _row(outcome: Outcome) -> str:
    first, *again = outcome.runs
    seen = "<br>".join([*map(_cell, first.said), *([outcome.note] if outcome.note else []), _exit(first)])
    rerun = "not needed"
    if again:
        rerun = "<br>".join([*map(_cell, again[0].said), _exit(again[0])])
    left = first.left_over or "nothing"
    if again:
        left += f"; after the rerun {again[0].left_over or 'nothing'}"
    lost = f"{outcome.lost} of {outcome.num_launched}"
    return f"| {outcome.case.fault} | {outcome.case.moment} | {seen} | {lost} | {rerun} | {left} |"


def _exit(run: Run) -> str:
    return "killed" if run.exit_code < 0 else f"exit {run.exit_code}"


def _cell(line: str) -> str:
    escaped = line.replace("|", "\\|").replace("`", "'")
    return f"`{re.sub(r'[^ -~…°±·×–—]', '?', escaped)}`"


def _read_results(file: Path) -> dict[tuple[str, str], Outcome]:
    """What an earlier call wrote down, by fault and moment."""
    if not file.exists():
        return {}
    by_name = {(case.fault, case.moment): case for case in cases()}
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        name = (row.pop("fault"), row.pop("moment"))
        runs = [Run(**run) for run in row.pop("runs")]
        if name in by_name:
            found[name] = Outcome(by_name[name], runs, **row)
    return found


def _add_result(file: Path, outcome: Outcome) -> None:
    row = asdict(replace(outcome, case=None))  # type: ignore[type-var]  # a case holds functions
    del row["case"]
    names = {"fault": outcome.case.fault, "moment": outcome.case.moment}
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(names | row) + "\n")


def main() -> int:
    """Play the cases, write the page."""
    parser = argparse.ArgumentParser(prog="python -m tools.phone_faults", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="faults whose name holds this")
    parser.add_argument("--jobs", type=int, default=2, help="cases side by side")
    parser.add_argument("--out", type=Path, help=f"the page; by default {PAGE.relative_to(REPOSITORY)}")
    parser.add_argument(
        "--results", type=Path, help="keeps what came of each case; those in it are not repeated"
    )
    options = parser.parse_args()
    # A shell starts what runs in the background deaf to Ctrl-C, and its children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chosen = [
        case for case in cases() if not options.only or any(part in case.fault for part in options.only)
    ]
    known = _read_results(options.results) if options.results else {}
    with ThreadPoolExecutor(options.jobs) as pool:
        played = {
            (case.fault, case.moment): pool.submit(play, case)
            for case in chosen
            if (case.fault, case.moment) not in known
        }
        for future in as_completed(played.values()):
            outcome = future.result()
            known[outcome.case.fault, outcome.case.moment] = outcome
            if options.results:
                _add_result(options.results, outcome)
            told = outcome.problem or "as it should be"
            print(f"{outcome.case.fault}, {outcome.case.moment}: {told}", file=sys.stderr, flush=True)
    outcomes = [known[case.fault, case.moment] for case in chosen]
    out = options.out or (None if options.only else PAGE)
    if out is None:
        print(page(outcomes))
    else:
        out.write_text(page(outcomes), encoding="utf-8")
    return 1 if any(outcome.problem for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
