"""Nothing that a command does reaches the host's files."""

import shlex
from pathlib import Path

import pytest

from tests.simulated_phone.host import Host
from tools.simulated_phone import SimulatedPhone, read_profile
from tools.simulated_phone.confinement import ConfinedThread
from tools.simulated_phone.sandbox import Sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("sandbox"), read_profile("pixel"))


@pytest.mark.parametrize(
    ("command", "mapped"),
    [
        ("ls /data/local/tmp", "ls ROOT/data/local/tmp"),
        ("cat '/data/a b' \"/sdcard/c\"", "cat 'ROOT/data/a b' \"ROOT/sdcard/c\""),
        ("x --g=/data/m --f=in:/data/i,out:/tmp/o", "x --g=ROOT/data/m --f=in:ROOT/data/i,out:ROOT/tmp/o"),
        ("(cat</proc/cpuinfo)>/tmp/x;rm -rf /etc", "(cat<ROOT/proc/cpuinfo)>ROOT/tmp/x;rm -rf ROOT/etc"),
        ("rm -rf /*; ls /", "rm -rf ROOT/*; ls ROOT/"),
        ("cat //data///x", "cat ROOT//data///x"),
        ("echo x >/dev/null; cat /proc/self/status", "echo x >/dev/null; cat /proc/self/status"),
        ("cd /data; ./data/x; sed s/data/x/", "cd ROOT/data; ./data/x; sed s/data/x/"),
        ("echo $((6 / 2))", "echo $((6 / 2))"),
        ("echo ${x%/data} $x/data \"$x\"/data", "echo ${x%/data} $x/data \"$x\"/data"),
        ("echo http://data/x a/data and/or", "echo http://data/x a/data and/or"),
    ],
)  # fmt: skip
def test_absolute_paths_move_into_the_sandbox(sandbox: Sandbox, command: str, mapped: str) -> None:
    assert sandbox.map_command(command) == mapped.replace("ROOT", str(sandbox.root))


def test_output_is_mapped_back_in_pieces_of_any_size(sandbox: Sandbox) -> None:
    text = f"{sandbox.root}/data/x: {sandbox.root} no {str(sandbox.root)[:-1]} {sandbox.root}".encode()
    for size in (1, 2, 3, 10, 1000):
        spoken = sandbox.output_filter()
        said = b"".join(spoken(text[start : start + size]) for start in range(0, len(text), size))
        assert said + spoken.rest() == f"/data/x: / no {str(sandbox.root)[:-1]} /".encode()


def test_dots_do_not_lead_out(sandbox: Sandbox) -> None:
    assert sandbox.to_host("/data/../../../etc/passwd") == sandbox.root / "etc/passwd"
    assert sandbox.to_host("//data/local/tmp") == sandbox.root / "data/local/tmp"


def test_only_the_shell_users_folders_are_writable(sandbox: Sandbox) -> None:
    assert sandbox.is_writable("/data/local/tmp/fb/x")
    for path in ("/data/local/x", "/data/local/tmp/../x", "/etc/x", "relative"):
        assert not sandbox.is_writable(path)


def test_a_path_that_would_need_quoting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="may hold only"):
        Sandbox(tmp_path / "a b", read_profile("pixel"))


@pytest.mark.parametrize(
    "command",
    [
        "echo gone >{outside}/x",
        "d={outside}; rm -rf $d",
        "mv {outside}/kept /data/local/tmp/",
        "cd /data/local/tmp && ln -s {outside} link && echo gone >link/kept",
        "echo gone > ../../../../../../../../..{outside}/kept",
        "sh -c 'o={outside}; rm $o/kept'",
        "o={outside}; : > $o/kept",
        "kill -9 1 $PPID",
    ],
)
def test_commands_that_want_out_stay_in(
    phone: SimulatedPhone, host: Host, tmp_path: Path, command: str
) -> None:
    if not phone.confined.is_confined:
        pytest.skip("this kernel has no Landlock: only the text of commands keeps them in the sandbox")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    host.shell(command.format(outside=outside))
    assert (outside / "kept").read_text() == "kept"
    assert [file.name for file in outside.iterdir()] == ["kept"]
    assert host.shell("echo alive")[0] == "alive\n"


def test_hostile_names_are_only_names(phone: SimulatedPhone, host: Host) -> None:
    folder = "/data/local/tmp/h"
    names = ["a b", "$(touch x)", "`touch x`", "'; touch x; '", "-rf", "ü\n", "*", '"']
    for name in names:
        assert host.push(b"1", f"{folder}/{name}") == b"OKAY"
        assert host.shell(f"cat -- {shlex.quote(f'{folder}/{name}')}")[0] == "1"
    assert sorted(path.name for path in phone.sandbox.to_host(folder).iterdir()) == sorted(names)


def test_a_confined_thread_hands_results_and_errors_over(tmp_path: Path) -> None:
    thread = ConfinedThread([tmp_path])
    assert thread.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        thread.run(lambda: 1 // 0)
    thread.close()
