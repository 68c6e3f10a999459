"""The simulated shell: exit codes, streams apart or not, what hanging up ends."""

import time
from pathlib import Path

import pytest

from tests.simulated_phone.host import Host
from tools.simulated_phone import SimulatedPhone


def test_output_errors_and_exit_code(host: Host) -> None:
    assert host.shell("echo out; echo err >&2; exit 7") == ("out\n", "err\n", 7)


def test_a_signal_is_told_as_shells_do(host: Host) -> None:
    assert host.shell("kill -9 $$")[2] == 137


def test_the_plain_shell_merges_and_has_no_exit_code(host: Host) -> None:
    assert host.plain_shell("echo out; echo err >&2; exit 7") == "out\nerr\n"


def test_an_old_phone_has_no_frames(tmp_path: Path) -> None:
    with SimulatedPhone(tmp_path, profile="old_phone") as phone, Host(phone) as host:
        host.connect()
        with pytest.raises(ConnectionRefusedError):
            host.open("shell,v2,raw:true")
        assert host.plain_shell("(exit 3) 2>&1; echo __RC=$?") == "__RC=3\n"


def test_a_board_ends_lines_with_cr_lf(tmp_path: Path) -> None:
    with SimulatedPhone(tmp_path, profile="board") as phone, Host(phone) as host:
        host.connect()
        assert host.plain_shell("echo a; echo b") == "a\r\nb\r\n"
        assert host.open("exec:echo a").read_all() == b"a\n"


def test_speaks_like_androids_shell(host: Host) -> None:
    assert host.shell("./nothing")[1:] == ("/system/bin/sh: ./nothing: inaccessible or not found\n", 127)
    host.push(b"x", "/data/local/tmp/x")
    said = host.shell("/data/local/tmp/x")[1:]
    assert said == ("/system/bin/sh: /data/local/tmp/x: can't execute: Permission denied\n", 126)


def test_a_terminal_takes_everything_along(phone: SimulatedPhone, host: Host) -> None:
    host.open("shell:sleep 100; true")
    assert wait_for_processes(phone, 2)
    host.close()
    assert wait_for_processes(phone, 0)


def test_without_a_terminal_the_shells_children_live_on(phone: SimulatedPhone, host: Host) -> None:
    host.open("shell,v2,raw:sleep 100; true")
    assert wait_for_processes(phone, 2)
    host.close()
    assert wait_for_processes(phone, 1)


@pytest.mark.parametrize("count", [1, 40])
def test_closing_the_phone_leaves_nothing_running(tmp_path: Path, count: int) -> None:
    with SimulatedPhone(tmp_path) as phone, Host(phone) as host:
        host.connect()
        host.shell(f"for i in $(seq {count}); do setsid sleep 100 >/dev/null 2>&1 & done")
        assert wait_for_processes(phone, count)
    assert phone.process_ids() == []


def test_the_phone_is_not_the_host(host: Host) -> None:
    assert (
        host.shell("uname -m; nproc; id -u; getprop ro.product.model")[0] == "aarch64\n8\n2000\nPixel 7 Pro\n"
    )


@pytest.mark.parametrize("command", ["getprop", "dumpsys", "taskset", "cmd", "settaskprofile"])
def test_a_board_has_nothing_of_android(tmp_path: Path, command: str) -> None:
    with SimulatedPhone(tmp_path, profile="board") as phone, Host(phone) as host:
        host.connect()
        assert host.plain_shell(f"command -v {command} || echo none") == "none\r\n"


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        ("0xf0", "taskset: bad mask '0xf0'\n"),
        ("big", "taskset: bad mask 'big'\n"),
        ("100", "taskset: sched_setaffinity: Invalid argument\n"),
    ],
)
def test_taskset_is_strict(host: Host, mask: str, says: str) -> None:
    assert host.shell(f"taskset {mask} echo ran") == ("", says, 1)


def test_taskset_runs_the_command(host: Host) -> None:
    assert host.shell("taskset f0 sh -c 'echo ran; exit 3'") == ("ran\n", "", 3)
    assert host.shell("taskset f0 ./nothing")[1:] == (
        "taskset: exec ./nothing: No such file or directory\n",
        127,
    )


def test_fixed_performance_lowers_the_caps_until_a_reboot(phone: SimulatedPhone, host: Host) -> None:
    read = "cat /sys/devices/system/cpu/cpu7/cpufreq/scaling_max_freq"
    assert host.shell("cmd power set-fixed-performance-mode-enabled true")[2] == 0
    assert phone.fixed_performance
    assert host.shell(read)[0] == "1826000\n"
    phone.reboot(0.05)
    phone.events.wait_for("listening")
    assert not phone.fixed_performance
    with Host(phone) as host:
        assert host.connect().shell(read)[0] == "2850000\n"


def test_properties_may_span_lines(host: Host) -> None:
    text = host.shell("getprop")[0]
    assert "[ro.build.description]: [cheetah-user 14 UQ1A.240105.004 11206848\nrelease-keys]\n" in text
    assert "[vendor.note]: [brackets [inside] a value: and a colon]\n" in text


def wait_for_processes(phone: SimulatedPhone, count: int) -> bool:
    end_s = time.monotonic() + 5
    while len(phone.process_ids()) != count and time.monotonic() < end_s:
        time.sleep(0.01)
    return len(phone.process_ids()) == count
