"""The phone's own commands, from ``getprop`` to ``taskset``, answered from recordings and state."""

from __future__ import annotations

import re
import string
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.simulated_phone.system import PhoneSystem

EVERYWHERE = ("uname", "id", "whoami", "df", "pidof", "ps", "pkill", "killall")
"""Commands that every system has, and that must not tell about the host."""

_DISK_KB = 112_000_000


@dataclass(frozen=True)
class Answer:
    """What a command prints, and its exit code."""

    out: str = ""
    err: str = ""
    code: int = 0


@dataclass(frozen=True)
class Continue:
    """The command goes on as another program, bound to the cores of a mask."""

    mask: str
    command: list[str]


def answer(phone: PhoneSystem, program: str, arguments: list[str], mask: str) -> Answer | Continue:
    """Answer one command."""
    if program == "taskset":
        return _taskset(phone, arguments, mask)
    if program == "settaskprofile":
        if len(arguments) < 2:
            return Answer(err="usage: settaskprofile PID profile...\n", code=1)
        return Answer()
    return _ANSWERS[program](phone, arguments)


def _getprop(phone: PhoneSystem, arguments: list[str]) -> Answer:
    properties = _properties(phone)
    if not arguments:
        return Answer("".join(f"[{name}]: [{value}]\n" for name, value in sorted(properties.items())))
    default = arguments[1] if len(arguments) > 1 else ""
    return Answer(properties.get(arguments[0], default) + "\n")


def _properties(phone: PhoneSystem) -> dict[str, str]:
    text = phone.profile.recording("getprop.txt") or ""
    recorded = dict(re.findall(r"^\[(.*?)\]: \[(.*?)\]$", text, flags=re.DOTALL | re.MULTILINE))
    has_booted = {} if phone.state.has_services else {"sys.boot_completed": ""}
    return {**recorded, "ro.serialno": phone.serial, **phone.state.properties, **has_booted}


def _setprop(phone: PhoneSystem, arguments: list[str]) -> Answer:
    if len(arguments) != 2:
        return Answer(err="usage: setprop NAME VALUE\n", code=1)
    if arguments[0].startswith("ro."):
        return Answer(err=f"Failed to set property '{arguments[0]}' to '{arguments[1]}'.\n", code=1)
    phone.state.properties[arguments[0]] = arguments[1]
    return Answer()


def _dumpsys(phone: PhoneSystem, arguments: list[str]) -> Answer:
    services = [argument for argument in arguments if not argument.startswith("-")]
    if not services:
        return Answer("Currently running services:\n  battery\n  power\n  thermalservice\n")
    recorded = phone.profile.recording(f"dumpsys/{services[0]}.txt")
    if recorded is None or not phone.state.has_services:
        return Answer(err=f"Can't find service: {services[0]}\n", code=0)
    state = phone.state
    values = {
        "thermal_status": str(state.thermal_status),
        "skin_celsius": f"{state.skin_celsius + (16 if state.is_throttled else 0):.1f}",
        "soc_celsius": f"{state.skin_celsius + (48 if state.is_throttled else 9):.1f}",
        "battery_level": str(state.battery_level),
        "battery_tenths": str(state.battery_tenths + (90 if state.is_throttled else 0)),
        "battery_celsius": f"{(state.battery_tenths + (90 if state.is_throttled else 0)) / 10:.1f}",
        "stay_on": {"true": "15", "usb": "2", "ac": "1", "wireless": "4"}.get(state.stays_on, "0"),
    }
    return Answer(string.Template(recorded).safe_substitute(values))


def _cmd(phone: PhoneSystem, arguments: list[str]) -> Answer:
    if not arguments:
        return Answer(err="cmd: No service specified; use -l to list all running services.\n", code=20)
    if arguments[0] not in ("power", "connectivity") or not phone.state.has_services:
        return Answer(err=f"cmd: Can't find service: {arguments[0]}\n", code=20)
    if (
        arguments[:2] == ["power", "set-fixed-performance-mode-enabled"]
        and phone.profile.has_fixed_performance
    ):
        if arguments[2:] not in (["true"], ["false"]):
            return Answer(err="Error: Invalid boolean argument\n", code=255)
        phone.state.set_fixed_performance(arguments[2] == "true")
        phone.events.append("fixed_performance", enabled=phone.state.is_fixed_performance)
        return Answer()
    if arguments[:2] == ["connectivity", "airplane-mode"]:
        if len(arguments) == 2:
            return Answer("enabled\n" if phone.state.is_airplane_mode else "disabled\n")
        phone.state.is_airplane_mode = arguments[2] == "enable"
        phone.events.append("airplane_mode", enabled=phone.state.is_airplane_mode)
        return Answer()
    unknown = " ".join(arguments[1:2])
    return Answer(f"Unknown command: {unknown}\n", code=255)


def _svc(phone: PhoneSystem, arguments: list[str]) -> Answer:
    if arguments[:2] != ["power", "stayon"] or len(arguments) != 3:
        return Answer(err="usage: svc power stayon [true|false|usb|ac|wireless|dock]\n", code=1)
    phone.state.stays_on = "" if arguments[2] == "false" else arguments[2]
    phone.events.append("stay_on", value=arguments[2])
    return Answer()


def _settings(phone: PhoneSystem, arguments: list[str]) -> Answer:
    if arguments[:1] == ["get"] and len(arguments) == 3:
        name = "/".join(arguments[1:])
        if name == "global/stay_on_while_plugged_in":
            number = {"true": "15", "usb": "2", "ac": "1", "wireless": "4"}.get(phone.state.stays_on, "0")
            return Answer(number + "\n")
        return Answer(phone.state.settings.get(name, "null") + "\n")
    if arguments[:1] == ["put"] and len(arguments) == 4:
        phone.state.settings["/".join(arguments[1:3])] = arguments[3]
        return Answer()
    return Answer(err="usage: settings get|put NAMESPACE KEY [VALUE]\n", code=1)


def _nproc(phone: PhoneSystem, arguments: list[str]) -> Answer:
    return Answer(f"{phone.profile.num_cores}\n")


def _uname(phone: PhoneSystem, arguments: list[str]) -> Answer:
    names = dict(zip("snrvm", phone.profile.uname, strict=True))
    letters = "".join(argument.lstrip("-") for argument in arguments) or "s"
    if letters == "a":
        letters = "snrvm"
    if not set(letters) <= set(names):
        return Answer(err=f"uname: Unknown option '{letters}' (see \"uname --help\")\n", code=1)
    return Answer(" ".join(names[letter] for letter in "snrvm" if letter in letters) + "\n")


def _id(phone: PhoneSystem, arguments: list[str]) -> Answer:
    if arguments == ["-u"]:
        return Answer("2000\n" if phone.profile.is_android else "0\n")
    if not phone.profile.is_android:
        return Answer("uid=0(root) gid=0(root) groups=0(root)\n")
    return Answer("uid=2000(shell) gid=2000(shell) groups=2000(shell),1004(input),3003(inet)\n")


def _whoami(phone: PhoneSystem, arguments: list[str]) -> Answer:
    return Answer("shell\n" if phone.profile.is_android else "root\n")


def _df(phone: PhoneSystem, arguments: list[str]) -> Answer:
    free = phone.free_kb
    used = _DISK_KB - free
    device, mounted = ("/dev/block/dm-43", "/data") if phone.profile.is_android else ("/dev/root       ", "/")
    row = f"{device} {_DISK_KB} {used} {free} {100 * used // _DISK_KB:3d}% {mounted}"
    return Answer(f"Filesystem       1K-blocks     Used Available Use% Mounted on\n{row}\n")


def _taskset(phone: PhoneSystem, arguments: list[str], mask: str) -> Answer | Continue:
    everything = f"{(1 << phone.profile.num_cores) - 1:x}"
    if arguments[:1] == ["-p"] and len(arguments) == 2:
        return Answer(f"pid {arguments[1]}'s current affinity mask: {mask or everything}\n")
    if len(arguments) < 2:
        return Answer(err="usage: taskset [-ap] [mask] [PID | cmd [args...]]\n", code=1)
    wanted, command = arguments[0], arguments[1:]
    if not re.fullmatch(r"[0-9a-fA-F]+", wanted):
        return Answer(err=f"taskset: bad mask '{wanted}'\n", code=1)
    if int(wanted, 16) & int(everything, 16) == 0:
        return Answer(err="taskset: sched_setaffinity: Invalid argument\n", code=1)
    return Continue(f"{int(wanted, 16) & int(everything, 16):x}", command)


def _processes(phone: PhoneSystem) -> dict[int, str]:
    """Processes of the phone's shell: number and name."""
    named = {}
    for pid in phone.process_ids():
        try:
            words = (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 1 and b"-IS" in words[1:2]:
            words = words[2:]
        name = words[0].decode(errors="replace")
        named[pid] = phone.sandbox.to_phone(name)
    return named


def _pidof(phone: PhoneSystem, arguments: list[str]) -> Answer:
    found = [pid for pid, name in _processes(phone).items() if Path(name).name in arguments]
    return Answer(" ".join(map(str, found)) + "\n" if found else "", code=0 if found else 1)


def _ps(phone: PhoneSystem, arguments: list[str]) -> Answer:
    rows = [f"{'shell':<12} {pid:>6} {name}\n" for pid, name in _processes(phone).items()]
    return Answer(f"{'USER':<12} {'PID':>6} NAME\n" + "".join(rows))


def _kill_by_name(phone: PhoneSystem, arguments: list[str]) -> Answer:
    number = next((a[1:] for a in arguments if a.startswith("-") and a != "-f"), "TERM")
    wanted = [argument for argument in arguments if not argument.startswith("-")]
    is_whole = "-f" in arguments
    named = _processes(phone).items()
    found = [pid for pid, name in named if (name if is_whole else Path(name).name) in wanted]
    for pid in found:
        phone.signal_process(pid, number)
    time.sleep(0.01)
    return Answer(code=0 if found else 1)


_ANSWERS: dict[str, Callable[[PhoneSystem, list[str]], Answer]] = {
    "getprop": _getprop,
    "setprop": _setprop,
    "dumpsys": _dumpsys,
    "cmd": _cmd,
    "svc": _svc,
    "settings": _settings,
    "nproc": _nproc,
    "uname": _uname,
    "id": _id,
    "whoami": _whoami,
    "df": _df,
    "pidof": _pidof,
    "ps": _ps,
    "pkill": _kill_by_name,
    "killall": _kill_by_name,
}
