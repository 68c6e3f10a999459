"""The scripts that ask a phone about itself, each in one round trip (one over ADB takes up to 90 ms).

They are plain POSIX, for Android's mksh, dash, busybox and toybox: a tool or a file that is absent
leaves its section empty, and nothing fails as a whole. Headings ``== name`` part the sections.
"""

from __future__ import annotations

TOOLS = ("taskset", "dumpsys", "cmd", "settaskprofile", "svc", "getprop", "sha256sum", "nproc", "timeout")
"""What else a phone may offer; the readings say which of these it has."""

_CORES = """\
echo '== cpufreq'
for c in /sys/devices/system/cpu/cpu[0-9]*; do
  [ -d "$c" ] || continue
  l="${c##*/}"
  for f in online cpufreq/cpuinfo_max_freq cpufreq/scaling_max_freq cpufreq/scaling_cur_freq \
cpufreq/scaling_governor; do
    v=
    if [ -r "$c/$f" ]; then { read -r v < "$c/$f"; } 2>/dev/null; fi
    if [ -n "$v" ]; then l="$l ${f##*/}=$v"; fi
  done
  echo "$l"
done
"""

_HEAT = """\
echo '== battery'
if command -v dumpsys >/dev/null 2>&1; then dumpsys battery 2>/dev/null </dev/null; fi
echo
echo '== thermal'
if command -v dumpsys >/dev/null 2>&1; then dumpsys thermalservice 2>/dev/null </dev/null; fi
echo
echo '== zones'
for z in /sys/class/thermal/thermal_zone[0-9]*; do
  if [ -r "$z/temp" ]; then
    v=
    t=
    { read -r v < "$z/temp"; } 2>/dev/null
    if [ -r "$z/type" ]; then { read -r t < "$z/type"; } 2>/dev/null; fi
    if [ -n "$v" ]; then echo "${z##*/} $v $t"; fi
  fi
done
"""

_END = "echo\necho '== end'\n"

CONDITIONS_SCRIPT = _CORES + _HEAT + _END
"""Asks for what changes while a phone measures; a few tens of milliseconds of its time."""

READINGS_SCRIPT = (
    """\
echo '== machine'
uname -m 2>/dev/null
echo '== kernel'
uname -r 2>/dev/null
echo '== nproc'
if command -v nproc >/dev/null 2>&1; then nproc 2>/dev/null; fi
echo '== present'
if [ -r /sys/devices/system/cpu/present ]; then cat /sys/devices/system/cpu/present 2>/dev/null; fi
"""
    + _CORES
    + f"""\
echo '== tools'
for t in {" ".join(TOOLS)}; do
  if command -v "$t" >/dev/null 2>&1; then echo "$t"; fi
done
echo '== folder'
for d in /data/local/tmp /tmp; do
  if [ -d "$d" ]; then df -k "$d" 2>/dev/null || df "$d" 2>/dev/null; break; fi
done
echo '== meminfo'
if [ -r /proc/meminfo ]; then head -n 1 /proc/meminfo 2>/dev/null || cat /proc/meminfo 2>/dev/null; fi
echo '== cpuinfo'
if [ -r /proc/cpuinfo ]; then cat /proc/cpuinfo 2>/dev/null; fi
echo
echo '== board'
if [ -r /sys/firmware/devicetree/base/model ]; then cat /sys/firmware/devicetree/base/model 2>/dev/null; fi
echo
"""
    + _HEAT
    + """\
echo '== getprop'
if command -v getprop >/dev/null 2>&1; then getprop 2>/dev/null </dev/null; fi
"""
    + _END
)
"""Asks for everything that describes a phone. The properties come last: only they hold text by others."""

READINGS_ORDER = (
    *("machine", "kernel", "nproc", "present", "cpufreq", "tools", "folder", "meminfo", "cpuinfo", "board"),
    *("battery", "thermal", "zones", "getprop"),
)
CONDITIONS_ORDER = ("cpufreq", "battery", "thermal", "zones")
"""The sections that each script prints, in order."""
