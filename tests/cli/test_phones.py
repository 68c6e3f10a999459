"""The commands for phones, against simulated ones: listing, describing, setting up, several at once."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import socket
import threading
from pathlib import Path

import pytest
import yaml

from fbsearch.architecture import Operator
from fbsearch.cli import main, printing
from fbsearch.cli.commands import profile
from fbsearch.cli.commands.devices import setup
from fbsearch.devices import AdbDefinition, find_device
from fbsearch.devices.adb.benchmark import provisioning
from fbsearch.devices.adb.device.describing import describe_phone
from fbsearch.devices.adb.device.device_file import device_file
from fbsearch.devices.adb.phone.lock import phone_lock
from fbsearch.devices.definition import load_definition
from fbsearch.export import ConversionCache
from fbsearch.export.cache import CACHE_VARIABLE
from fbsearch.latency import LatencyTable
from tools.simulated_phone import SimulatedPhone

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "tflite_runtime" / "models"
BINARY = ROOT / "tools" / "simulated_phone" / "benchmark_model"
FOLDER = "/data/local/tmp/fbsearch"
QUICK = {
    "confidence": 0.5, "min_rounds": 2, "max_rounds": 2, "round_ms": 5, "target_relative_ci": 0.9,
    "drift_tolerance": 9.0, "patience_s": 0, "cooldown_s": 0, "initial_sentinel_readings": 1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A home, a working folder and an adb server's port of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "work" / "devices").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


@pytest.fixture
def pixel(tmp_path):
    with SimulatedPhone(tmp_path / "pixel") as phone:
        yield phone


@pytest.fixture
def board(tmp_path):
    with SimulatedPhone(tmp_path / "board", profile="board") as phone:
        yield phone


@pytest.fixture
def models() -> None:
    """The conversion cache with the models of the golden space."""
    cache = ConversionCache()
    for model in MODELS.glob("*_r*.tflite"):
        path = cache.path(Operator.from_key(model.stem), "tflite")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model, path)


def place(phone: SimulatedPhone) -> str:
    return f"127.0.0.1:{phone.port}"


def write_device(name: str, address: str, **fields: object) -> None:
    data = {"name": name, "kind": "adb", "address": address, "transport": "tcp"}
    data |= {"binary": str(BINARY), "protocol": QUICK, **fields}
    Path("devices", f"{name}.yaml").write_text(yaml.safe_dump(data))


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def command(capsys):
    """Runs a command that must succeed: what it printed on standard output, and on standard error."""

    def run(*arguments: object) -> tuple[str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out, captured.err

    return run


class TestListing:
    def test_json_is_a_list_and_hints_go_elsewhere(self, command, pixel):
        write_device("sim", place(pixel))
        write_device("gone", f"127.0.0.1:{unused_port()}")
        listed = {row["name"]: row for row in json.loads(command("devices", "--json")[0])}
        assert set(listed) == {"local", "sim", "gone"}
        assert set(listed["sim"]) == {
            "name", "source", "transport", "is_usable", "description", "problem",
        }  # fmt: skip
        assert listed["sim"]["is_usable"] and listed["sim"]["transport"] == "tcp"
        assert not listed["gone"]["is_usable"] and "\n" not in listed["gone"]["problem"]

    def test_the_table_names_phones(self, command, pixel):
        write_device("sim", place(pixel))
        assert "Pixel 7 Pro" in command("devices")[0]

    def test_examples_are_not_listed(self, command, monkeypatch):
        monkeypatch.chdir(ROOT)
        names = {row["name"] for row in json.loads(command("devices", "--json")[0])}
        assert "local" in names and not names & {"pixel7", "galaxy_s22", "raspberry_pi"}

    def test_json_before_a_command_is_not_ignored(self, failing):
        assert "after 'describe'" in failing("devices", "--json", "describe", "local")

    @pytest.mark.parametrize("name", ["describe", "setup"])
    def test_help_shows_an_example(self, command, name):
        assert "Examples: " in command("devices", name, "--help")[0]


class TestDescribing:
    def test_a_phone(self, command, pixel):
        printed, _ = command("devices", "describe", place(pixel))
        for told in (
            *("Google Pixel 7 Pro", "GS201", "arm64-v8a", "14 (API 34)", "0,1,2,3 at 1.80 GHz", "mask c0"),
            *("0 (none)", "87 %, 28.7 °C", "free space", "taskset"),
        ):
            assert told in printed

    def test_a_board_and_what_it_does_not_tell(self, command, board):
        told = json.loads(command("devices", "describe", place(board), "--json")[0])
        assert told["abis"] == ["linux-aarch64"] and told["num_cores"] == 4
        assert told["android"] is told["battery"] is told["thermal_status"] is told["big_cores"] is None
        assert any("taskset" in gap for gap in told["unknown"])
        assert "could not be known" in command("devices", "describe", place(board))[0]

    def test_this_computer(self, command):
        assert json.loads(command("devices", "describe", "local", "--json")[0])["kind"] == "local"
        assert "cores" in command("devices", "describe", "local")[0]

    @pytest.mark.parametrize("kind", ["pixel", "board"])
    def test_the_file_it_writes(self, command, request, kind):
        phone = request.getfixturevalue(kind)
        _, said = command("devices", "describe", place(phone), "--write", "devices/mine.yaml")
        assert "devices/mine.yaml: written" in said
        definition = load_definition(Path("devices/mine.yaml"))
        assert definition == find_device("mine").definition
        assert (definition.name, definition.address, definition.threads) == ("mine", place(phone), 1)
        assert definition.cores == {"pixel": "big", "board": None}[kind]
        text = Path("devices/mine.yaml").read_text()
        stated = set(re.findall(r"^(?:# )?([a-z_0-9]+):", text, re.MULTILINE))
        assert stated | {"serial"} == set(AdbDefinition.model_fields) - {"address"} | {"address", "serial"}
        assert command("devices", "describe", "mine", "--json")[0]

    def test_a_file_is_replaced_only_by_force(self, command, failing, pixel):
        Path("devices/mine.yaml").write_text("mine\n")
        arguments = ("devices", "describe", place(pixel), "--write", "devices/mine.yaml")
        assert "--force" in failing(*arguments)
        assert Path("devices/mine.yaml").read_text() == "mine\n"
        command(*arguments, "--force")
        assert load_definition(Path("devices/mine.yaml")).name == "mine"

    @pytest.mark.parametrize("text", ['x"\n# : {', "\x00\x1b[31m", "'- a", "ünï ☃", "a: b # c"])
    def test_nothing_that_a_phone_says_breaks_its_file(self, pixel, tmp_path, text):
        report = describe_phone(find_device(place(pixel)))
        definition = report.definition.model_copy(update={"address": None, "serial": text})
        path = tmp_path / "any.yaml"
        path.write_text(device_file(dataclasses.replace(report, definition=definition), name="any"))
        assert load_definition(path).serial == text

    def test_what_a_crash_left_on_is_switched_off(self, command, pixel, capsys):
        marker = pixel.sandbox.to_host(f"{FOLDER}/fixed-performance-mode-is-on")
        marker.parent.mkdir(parents=True)
        marker.write_text("fbsearch\n")
        with find_device(place(pixel)).phone.connected() as phone:
            phone.run("cmd power set-fixed-performance-mode-enabled true")
        assert pixel.fixed_performance
        with phone_lock(place(pixel), "another"):  # but not while someone measures
            assert json.loads(command("devices", "describe", place(pixel), "--json")[0])["is_measured_now"]
            assert pixel.fixed_performance
        told = json.loads(command("devices", "describe", place(pixel), "--json")[0])
        assert told["restored_fixed_performance_mode"] and not pixel.fixed_performance
        assert not marker.exists() and told["capped_cores"] == []

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["nobody"], "nobody"),
            (["127.0.0.1:1"], "127.0.0.1:1"),
            (["127.0.0.1:99999"], "99999"),
            (["local", "--write", "devices/x.yaml"], "this computer"),
            (["local", "--force"], "--write"),
            ([], "device"),
        ],
    )
    def test_bad_input(self, failing, arguments, named):
        assert named.lower() in failing("devices", "describe", *arguments).lower()

    @pytest.mark.parametrize("path", ["devices/mine.txt", "devices/my phone.yaml", "devices"])
    def test_a_name_that_will_not_do(self, failing, pixel, path):
        assert "--write" in failing("devices", "describe", place(pixel), "--write", path)

    def test_a_folder_that_cannot_be_made(self, failing, pixel):
        Path("file").write_text("in the way")
        line = failing("devices", "describe", place(pixel), "--write", "file/mine.yaml")
        assert "cannot be written" in line


class TestSetup:
    def test_a_file_for_an_abi_is_pinned_and_found(self, command, home):
        _, said = command("devices", "setup", "--abi", "arm64-v8a", "--binary", BINARY)
        assert "taken from" in said and "SHA-256" in said
        kept = home / ".local/share/fbsearch/benchmark_model/arm64-v8a/benchmark_model"
        assert kept.read_bytes() == BINARY.read_bytes() and str(kept) in said.replace("\n", "")
        assert json.loads(kept.with_name("benchmark_model.json").read_text())["sha256"] in said

    def test_a_phone_is_asked_for_its_abi(self, command, pixel):
        told = json.loads(command("devices", "setup", place(pixel), "--binary", BINARY, "--json")[0])
        assert told["abi"] == "arm64-v8a" and told["replaced_sha256"] is None and told["source"] == "file"
        described = json.loads(command("devices", "describe", place(pixel), "--json")[0])
        assert described["binary"]["sha256"] == told["sha256"]

    def test_another_build_is_told(self, command, tmp_path):
        command("devices", "setup", "--abi", "arm64-v8a", "--binary", BINARY)
        other = tmp_path / "other"
        other.write_bytes(BINARY.read_bytes() + b"# newer\n")
        assert "it replaces" in command("devices", "setup", "--abi", "arm64-v8a", "--binary", other)[1]

    def test_a_file_that_the_device_names_goes_first(self, command, pixel):
        write_device("sim", place(pixel), binary_sha256="0" * 64)
        assert "note: " in command("devices", "setup", "sim", "--binary", BINARY)[1]

    def test_fetching(self, command, tmp_path, monkeypatch):
        shown = []

        def fetched(abi, *, url, sha256, progress):
            progress(3, 10)
            shown.append((abi, url, sha256))
            return provisioning.keep_binary(abi, BINARY)

        monkeypatch.setattr(provisioning, "fetch_binary", fetched)
        monkeypatch.setattr(setup, "show_progress", lambda quiet: not quiet)
        _, said = command("devices", "setup", "--abi", "arm64-v8a", "--url", "https://x.example/b")
        assert shown == [("arm64-v8a", "https://x.example/b", None)] and "fetched from" in said

    def test_without_a_network_the_way_by_hand(self, failing, monkeypatch):
        address = f"https://127.0.0.1:{unused_port()}/benchmark_model"
        monkeypatch.setitem(provisioning.PUBLISHED, "arm64-v8a", address)
        line = failing("devices", "setup", "--abi", "arm64-v8a")
        assert address in line and "--abi arm64-v8a --binary FILE" in line

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ([], "--abi"),
            (["sim", "--abi", "arm64-v8a"], "either"),
            (["local"], "this computer"),
            (["nobody"], "nobody"),
            (["--abi", "sparc"], "arm64-v8a"),
            (["--abi", "../../etc"], "arm64-v8a"),
            (["--abi", "arm64-v8a", "--binary", "none"], "none"),
            (["--abi", "arm64-v8a", "--binary", "wrong"], "ELF"),
            (["--abi", "arm64-v8a", "--binary", BINARY, "--sha256", "0" * 64], "0" * 64),
            (["--abi", "arm64-v8a", "--binary", BINARY, "--sha256", "xyz"], "64 hexadecimal"),
            (["--abi", "arm64-v8a", "--binary", BINARY, "--url", "https://x.example"], "--url"),
            (["--abi", "arm64-v8a", "--url", "ftp://x.example/b"], "https://"),
        ],
    )
    def test_bad_input(self, failing, arguments, named):
        Path("wrong").write_bytes(b"MZ no ELF")
        assert named in failing("devices", "setup", *arguments)


class TestOptions:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["profile", "--space", "digits", "--device", "local", "--device", "nobody"], "this computer"),
            (["profile", "--space", "digits", "--device", "a", "--device", "nobody"], "nobody"),
            (["profile", "--space", "digits", "--device", "a", "--device", "a"], "both write"),
            (["profile", "--space", "digits", "--device", "a", "--device", "b", "--out", "t.json"], "folder"),
            (["profile", "--space", "digits", "--keep"], "--keep"),
            (["run", "quickstart", "--out", "r", "--device", "nobody"], "nobody"),
            (["run", "quickstart", "--out", "r", "--device", "12"], "'12'"),
            (["run", "quickstart", "--out", "r", "--keep"], "--keep"),
            (["verify", "model.tflite", "--keep"], "--keep"),
        ],
    )
    def test_bad_input(self, failing, arguments, named):
        for name in ("a", "b"):
            write_device(name, "127.0.0.1:1")
        assert named in failing(*arguments)

    def test_run_takes_a_device(self, command):
        write_device("123", "127.0.0.1:1")
        planned = json.loads(
            command("run", "quickstart", "--device", "123", "--out", "r", "--dry-run", "--json")[0]
        )
        assert "123" in next(stage["what"] if "what" in stage else stage["action"] for stage in planned)

    def test_a_dry_run_names_every_table(self, command):
        for name in ("a", "b"):
            write_device(name, "127.0.0.1:1")
        arguments = ["profile", "--space", "digits", "--device", "a", "--device", "b", "--dry-run"]
        for out, folder in ((["--out", "t/"], "t/"), ([], "latency_tables/")):
            lines = command(*arguments, *out)[1].splitlines()
            assert len(lines) == 2
            assert all(
                f"into {folder}{name}-tflite-digits-" in line for name, line in zip("ab", lines, strict=True)
            )


@pytest.mark.slow
@pytest.mark.usefixtures("models")
class TestMeasuring:
    profile = ("profile", "--space", str(MODELS / "space.yaml"))

    def test_what_is_kept(self, command, pixel):
        write_device("sim", place(pixel))
        folder = pixel.sandbox.to_host(FOLDER)
        command(*self.profile, "--device", "sim", "--out", "t.json", "--keep")
        assert LatencyTable.load(Path("t.json")).device.model == "Google Pixel 7 Pro"
        assert any(file.suffix == ".tflite" for file in folder.iterdir())
        assert not pixel.fixed_performance
        command(*self.profile, "--device", "sim", "--out", "t.json")
        assert not folder.exists()

    def test_several_of_which_one_fails(self, capsys, pixel, board):
        write_device("sim", place(pixel))
        write_device("board", place(board))
        write_device("gone", f"127.0.0.1:{unused_port()}")
        names = ("sim", "gone", "board")
        code = main([*self.profile, *(word for name in names for word in ("--device", name)), "--out", "t/"])
        lines = capsys.readouterr().err.strip().splitlines()
        assert code == 2
        assert lines[-1].startswith("fbsearch: error: 1 of 3 devices failed: gone (")
        assert all(line.startswith(("sim: ", "board: ", "gone: ")) for line in lines[:-1])
        tables = {path.name.partition("-")[0]: LatencyTable.load(path) for path in Path("t").glob("*.json")}
        assert {name: table.device.name for name, table in tables.items()} == {"sim": "sim", "board": "board"}
        for phone in (pixel, board):
            assert not phone.sandbox.to_host(FOLDER).exists()

    def test_ctrl_c_stops_all_and_keeps_the_work(self, capsys, monkeypatch, pixel, board):
        write_device("sim", place(pixel))
        write_device("board", place(board))
        first, stopping = threading.Lock(), threading.Event()
        heard = signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # a shell's background job ignores it

        def interrupting(line: str) -> None:
            printing.notify(line)
            if "stopping" in line:
                stopping.set()
            if re.search(r": measured \d", line) and first.acquire(blocking=False):
                os.kill(os.getpid(), signal.SIGINT)
                assert stopping.wait(60)  # else a busy machine may have ended it before the signal is heard

        monkeypatch.setattr(profile, "notify", interrupting)
        arguments = [*self.profile, "--device", "sim", "--device", "board", "--out", "t/"]
        try:
            assert main(arguments) == 130
        finally:
            signal.signal(signal.SIGINT, heard)
        said = capsys.readouterr().err
        assert "stopping" in said and "the same command goes on" in said
        journals = list(Path("t").glob("*.partial"))
        assert any("round_us" in journal.read_text() for journal in journals)
        for phone in (pixel, board):
            assert not phone.sandbox.to_host(FOLDER).exists() and not phone.fixed_performance
