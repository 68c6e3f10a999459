"""The scripts run in a real shell among fake tools and files; the parsers take any text."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.devices.adb.readings import (
    CONDITIONS_SCRIPT,
    READINGS_SCRIPT,
    CoreFrequencies,
    core_clusters,
    core_mask,
    parse_battery,
    parse_conditions,
    parse_cpufreq,
    parse_getprop,
    parse_readings,
    parse_thermal,
)
from fbsearch.errors import DeviceError

DATA = Path(__file__).parent / "data"
SHELLS = [shell for shell in ("sh", "dash", "bash", "mksh", "busybox") if shutil.which(shell)]


def golden(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


class Phone:
    """A folder that stands for a phone's root, and a PATH with nothing but its own tools."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir()

    def tool(self, name: str, body: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def prints(self, name: str, text: str) -> None:
        (self.root / f"{name}.txt").write_text(text, encoding="utf-8")
        self.tool(name, f"/bin/cat '{self.root}/{name}.txt'")

    def file(self, path: str, text: str) -> Path:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def core(
        self, number: int, khz: int | None, *, cap: int | None = None, online: str | None = None
    ) -> None:
        folder = f"/sys/devices/system/cpu/cpu{number}"
        (self.root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        if online is not None:
            self.file(f"{folder}/online", online + "\n")
        if khz is not None:
            self.file(f"{folder}/cpufreq/cpuinfo_max_freq", f"{khz}\n")
            self.file(f"{folder}/cpufreq/scaling_max_freq", f"{cap or khz}\n")
            self.file(f"{folder}/cpufreq/scaling_cur_freq", "300000\n")
            self.file(f"{folder}/cpufreq/scaling_governor", "walt\n")

    def run(self, script: str, shell: str = "sh") -> str:
        for place in ("/sys/", "/proc/", "/data/local/tmp", " /tmp;"):
            script = script.replace(
                place, f"{self.root}{place}" if place[0] == "/" else f" {self.root}{place[1:]}"
            )
        command = [shutil.which(shell), *(["sh"] if shell == "busybox" else []), "-c", script]
        done = subprocess.run(
            command,
            env={"PATH": str(self.bin)},
            capture_output=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.stderr == b"", done.stderr
        assert done.returncode == 0
        return done.stdout.decode("utf-8", "replace")


@pytest.fixture
def phone(tmp_path: Path) -> Phone:
    root = tmp_path / "phone"
    root.mkdir()
    return Phone(root)


@pytest.fixture
def full_phone(phone: Phone) -> Phone:
    for number in range(8):
        phone.core(number, 1_800_000 if number < 4 else 2_400_000 if number < 7 else 2_840_000)
    phone.core(7, 2_840_000, cap=2_000_000)
    phone.file("/proc/meminfo", "MemTotal:       11584376 kB\nMemFree:  1 kB\n")
    phone.file("/proc/cpuinfo", "".join(f"processor\t: {n}\nCPU part\t: 0xd05\n\n" for n in range(8)))
    phone.file("/sys/class/thermal/thermal_zone0/temp", "41000\n")
    phone.file("/sys/class/thermal/thermal_zone0/type", "cpu 0 thermal\n")
    (phone.root / "data/local/tmp").mkdir(parents=True)
    phone.prints("getprop", golden("getprop.txt"))
    phone.tool("uname", 'case "$1" in -m) echo aarch64;; -r) echo 5.10.43-android12;; esac')
    phone.tool("nproc", "echo 8")
    phone.tool("cat", 'exec /bin/cat "$@"')
    phone.tool("head", 'exec /usr/bin/head "$@"')
    phone.tool("taskset", "exit 1")
    phone.tool("cmd", "exit 255")
    phone.prints("df", golden("df.txt"))
    (phone.root / "battery").write_text(golden("battery.txt"), encoding="utf-8")
    (phone.root / "thermalservice").write_text(golden("thermal.txt"), encoding="utf-8")
    phone.tool("dumpsys", f"/bin/cat '{phone.root}/'\"$1\"")
    return phone


class TestScripts:
    @pytest.mark.parametrize("shell", SHELLS)
    def test_a_phone(self, full_phone: Phone, shell: str):
        readings = parse_readings(full_phone.run(READINGS_SCRIPT, shell))
        assert readings.is_complete
        identity = readings.identity
        assert (identity.model, identity.manufacturer, identity.soc) == ("Rocket 7", "Acme", "SM8350")
        assert (identity.android, identity.sdk, identity.board) == ("14", 34, "lahaina")
        assert identity.abis == ("arm64-v8a", "armeabi-v7a", "armeabi")
        assert (identity.machine, identity.kernel) == ("aarch64", "5.10.43-android12")
        assert identity.fingerprint == "acme/rocket/rocket:14/UP1A.231005.007/1234:user/release-keys"
        assert readings.properties["persist.sys.note"] == "two\nlines"
        assert (readings.num_cores, readings.memory_bytes) == (8, 11584376 * 1024)
        assert readings.free_bytes == 69663744 * 1024
        assert readings.tools == {"taskset", "dumpsys", "cmd", "getprop", "nproc"}
        assert readings.cores[7] == CoreFrequencies(7, True, 2_840_000, 2_000_000, 300_000, "walt", "0xd05")
        assert [cluster.cores for cluster in readings.clusters] == [(0, 1, 2, 3), (4, 5, 6), (7,)]
        conditions = parse_conditions(full_phone.run(CONDITIONS_SCRIPT, shell))
        assert conditions.is_complete and conditions.capped_cores == (7,)
        assert conditions.battery and conditions.battery.temperature_celsius == 28.3
        assert conditions.thermal and conditions.thermal.status == 0
        assert conditions.thermal.temperatures == {"AP": 25.6, "BAT": 27.1, "SKIN": 24.9}

    @pytest.mark.parametrize("shell", SHELLS)
    def test_a_board_with_nothing(self, phone: Phone, shell: str):
        readings = parse_readings(phone.run(READINGS_SCRIPT, shell))
        assert readings.is_complete
        assert (readings.identity.model, readings.identity.abis, readings.cores) == (None, (), ())
        assert (readings.num_cores, readings.memory_bytes, readings.free_bytes) == (None, None, None)
        assert readings.tools == set()
        conditions = parse_conditions(phone.run(CONDITIONS_SCRIPT, shell))
        assert (conditions.battery, conditions.thermal, conditions.is_complete) == (None, None, True)

    def test_a_linux_board(self, phone: Phone):
        phone.tool("uname", 'case "$1" in -m) echo aarch64;; -r) echo 6.1.0;; esac')
        phone.tool("cat", 'exec /bin/cat "$@"')
        phone.file("/sys/firmware/devicetree/base/model", "Acme Board 4\0")
        phone.file("/sys/devices/system/cpu/present", "0-3\n")
        phone.file("/sys/class/thermal/thermal_zone0/temp", "41000\n")
        phone.file("/sys/class/thermal/thermal_zone0/type", "cpu thermal\n")
        readings = parse_readings(phone.run(READINGS_SCRIPT))
        assert (readings.identity.model, readings.identity.abis) == ("Acme Board 4", ("linux-aarch64",))
        assert readings.num_cores == 4
        assert readings.conditions.thermal and readings.conditions.thermal.temperatures == {
            "cpu thermal": 41.0
        }

    def test_files_that_cannot_be_read(self, full_phone: Phone):
        """A directory in a file's place makes read fail even for root, like a policy that denies it."""
        cap = full_phone.root / "sys/devices/system/cpu/cpu3/cpufreq/scaling_max_freq"
        cap.unlink()
        cap.mkdir()
        conditions = parse_conditions(full_phone.run(CONDITIONS_SCRIPT))
        assert conditions.is_complete
        assert (conditions.cores[3].scaling_max_khz, conditions.cores[3].max_khz) == (None, 1_800_000)

    def test_tools_that_fail_or_talk_nonsense(self, full_phone: Phone):
        full_phone.tool("dumpsys", 'echo "Can\'t find service: $1" >&2; exit 20')
        full_phone.tool("getprop", "exit 1")
        full_phone.tool("df", "exit 1")
        full_phone.tool("uname", "exit 1")
        readings = parse_readings(full_phone.run(READINGS_SCRIPT))
        assert readings.is_complete and readings.num_cores == 8
        assert (readings.conditions.battery, readings.identity.model) == (None, None)
        assert readings.conditions.thermal and readings.conditions.thermal.source == "kernel"

    def test_a_property_cannot_pose_as_a_section(self, full_phone: Phone):
        evil = "[ro.product.model]: [x\n== cpufreq\ncpu0 cpuinfo_max_freq=1\n== end]\n"
        evil += "[ro.soc.model]: [$(reboot)`id`]\n"
        full_phone.prints("getprop", evil)
        readings = parse_readings(full_phone.run(READINGS_SCRIPT))
        assert readings.cores[0].max_khz == 1_800_000
        assert readings.identity.model == "x == cpufreq cpu0 cpuinfo_max_freq=1 == end"
        assert readings.identity.soc == "$(reboot)`id`"

    def test_a_cut_answer_is_told(self, full_phone: Phone):
        text = full_phone.run(READINGS_SCRIPT)
        for size in range(0, len(text) - 7, 101):
            assert not parse_readings(text[:size]).is_complete
        assert parse_readings(text.replace("\n", "\r\n")) == parse_readings(text)

    @pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
    @pytest.mark.parametrize("script", [READINGS_SCRIPT, CONDITIONS_SCRIPT])
    def test_this_computer(self, script: str):
        done = subprocess.run(
            ["/bin/sh", "-c", script], capture_output=True, text=True, timeout=30, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert parse_conditions(done.stdout).is_complete or parse_readings(done.stdout).is_complete


class TestBattery:
    def test_golden(self):
        battery = parse_battery(golden("battery.txt"))
        assert battery is not None
        assert (battery.level, battery.temperature_celsius) == (84, 28.3)
        assert (battery.is_charging, battery.is_plugged, battery.is_overridden) == (True, True, False)

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            ("temperature: 283", "temperature: -52", -5.2),
            ("temperature: 283", "temperature: 99999", None),
            ("temperature: 283", "temperature: none", None),
            ("temperature: 283", "temperature: 2830000000000000000000", None),
        ],
    )
    def test_temperature(self, old, new, expected):
        battery = parse_battery(golden("battery.txt").replace(old, new))
        assert battery is not None and battery.temperature_celsius == expected

    def test_none(self):
        assert parse_battery("Can't find service: battery\n") is None
        assert parse_battery(golden("battery.txt").replace("present: true", "present: false")) is None

    def test_set_by_hand(self):
        text = golden("battery.txt") + "  (UPDATES STOPPED -- use 'reset' to restart)\n"
        battery = parse_battery(text)
        assert battery is not None and battery.is_overridden


class TestThermal:
    def test_the_hardware_s_temperatures_come_first(self):
        thermal = parse_thermal(golden("thermal.txt"))
        assert thermal is not None
        assert (thermal.status, thermal.source) == (0, "HAL")
        assert thermal.temperatures["AP"] == 25.6 and "PA" not in thermal.temperatures

    def test_cached_ones_where_the_hardware_tells_none(self):
        thermal = parse_thermal(golden("thermal.txt").split("HAL Ready")[0] + "HAL Ready: false\n")
        assert thermal is not None and (thermal.source, thermal.temperatures) == ("cache", {"AP": 72.6})

    def test_none(self):
        assert parse_thermal("Can't find service: thermalservice") is None
        assert parse_thermal("Thermal Status: 9") is None

    def test_set_by_hand(self):
        thermal = parse_thermal("IsStatusOverride: true\nThermal Status: 3\n")
        assert thermal is not None and thermal.is_overridden and thermal.status == 3


def cores(*khz: int | None, offline: tuple[int, ...] = (), parts: dict[int, str] | None = None):
    return [
        CoreFrequencies(core, core not in offline, value, part=(parts or {}).get(core))
        for core, value in enumerate(khz)
    ]


class TestCoreMask:
    FOUR_FOUR = cores(*[1800] * 4, *[2800] * 4)
    PRIME = cores(*[1800] * 4, *[2400] * 3, 2840)
    TWO_TOP = cores(*[1800] * 4, *[2250] * 2, *[2800] * 2)

    @pytest.mark.parametrize(
        ("frequencies", "big", "little", "everything"),
        [
            (FOUR_FOUR, "f0", "f", "ff"),
            (PRIME, "f0", "f", "ff"),
            (TWO_TOP, "c0", "f", "ff"),
            (cores(2800, 2800, *[1800] * 6), "3", "fc", "ff"),
            (cores(*[1800] * 4, *[2800] * 4, offline=(7,)), "70", "f", "7f"),
            (
                cores(*[2000] * 8, parts=dict.fromkeys(range(6), "0xd05") | {6: "0xd0a", 7: "0xd0a"}),
                "c0",
                "3f",
                "ff",
            ),
        ],
    )
    def test_classes(self, frequencies, big, little, everything):
        assert [core_mask(name, frequencies) for name in ("big", "little", "all")] == [
            big,
            little,
            everything,
        ]

    def test_all_alike(self):
        alike = cores(*[1500] * 4)
        assert core_mask("big", alike) == core_mask("all", alike) == "f"
        with pytest.raises(DeviceError, match=r"all cores are alike.*0-3 at"):
            core_mask("little", alike)

    def test_clocks_unknown(self):
        silent = cores(None, None)
        assert core_mask("all", silent) == "3"
        for name in ("big", "little"):
            with pytest.raises(DeviceError, match="does not tell its highest clock"):
                core_mask(name, silent)
        with pytest.raises(DeviceError, match="core 4-7 does not tell"):
            core_mask("big", cores(*[1800] * 4, *[None] * 4, offline=(4, 5, 6, 7)))

    def test_all_of_a_class_offline(self):
        with pytest.raises(DeviceError, match="offline"):
            core_mask("big", cores(1800, 1800, 2800, offline=(2,)))

    @pytest.mark.parametrize(("given", "mask"), [("f0", "f0"), ("0xF0", "f0"), ("01", "1"), ("FF", "ff")])
    def test_hexadecimal(self, given, mask):
        assert core_mask(given, self.FOUR_FOUR) == mask

    @pytest.mark.parametrize(
        "given",
        [
            "0",
            "100",
            "1ff",
            "-1",
            "",
            "g",
            "f0;reboot",
            "f 0",
            "0x",
            "biggest",
            "f" * 60,
            "f" * 10**6,
            "٣",
            "f\n",
        ],
    )
    def test_hexadecimal_that_does_not_fit(self, given):
        with pytest.raises(DeviceError, match="cores"):
            core_mask(given, self.FOUR_FOUR)

    def test_hexadecimal_that_is_offline(self):
        with pytest.raises(DeviceError, match="core 3 offline"):
            core_mask("c", cores(1, 1, 1, 1, offline=(3,)))

    def test_no_cores_at_all(self):
        with pytest.raises(DeviceError, match="lists no core"):
            core_mask("all", [])

    @given(st.text(), st.lists(st.integers(1, 10) | st.none(), max_size=9), st.sets(st.integers(0, 8)))
    def test_any_mask_chooses_cores_that_are_online(self, name, khz, offline):
        frequencies = cores(*khz, offline=tuple(offline))
        for asked in ("big", "little", "all", name):
            try:
                mask = int(core_mask(asked, frequencies), 16)
            except DeviceError:
                continue
            assert mask > 0
            assert all(frequencies[bit].is_online for bit in range(mask.bit_length()) if mask >> bit & 1)


class TestCpufreq:
    def test_implausible_clocks(self):
        text = "cpu0 cpuinfo_max_freq=0 scaling_max_freq=99999999999 scaling_governor="
        text += "\ncpu1\ncpux a=b\n cpu0 online=0"
        assert parse_cpufreq(text) == (CoreFrequencies(0), CoreFrequencies(1))

    def test_a_control_character_within_a_number(self):
        """U+001F parts words for str.split, but is no space in a regular expression for ASCII."""
        assert parse_cpufreq("cpu0 cpuinfo_max_freq=\x1f1803000 scaling_cur_freq=5") == (
            CoreFrequencies(0, current_khz=5),
        )

    def test_offline(self):
        assert parse_cpufreq("cpu1 online=0\ncpu0 online=1") == (
            CoreFrequencies(0),
            CoreFrequencies(1, False),
        )

    def test_clusters(self):
        assert [c.max_khz for c in core_clusters(cores(5, 3, None, 5))] == [3, 5]


@given(
    st.dictionaries(st.from_regex(r"[a-z.]{1,20}", fullmatch=True), st.text(alphabet="ab]\n =", max_size=20))
)
def test_getprop_gives_back_any_properties(properties):
    text = "".join(f"[{name}]: [{value}]\n" for name, value in properties.items())
    assert parse_getprop(text) == properties
