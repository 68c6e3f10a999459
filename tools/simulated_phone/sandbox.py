"""The phone's file system: a folder, and the mapping of paths into and out of it."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import sys
from pathlib import Path

from tools.simulated_phone.profile import Profile

# Top folders of a phone and a board; the host's own are added, so that none of them is reached either.
_TOP_FOLDERS = (
    "data sdcard storage system system_ext vendor product odm apex mnt cache metadata acct config sys"
    " bin sbin etc lib usr var tmp root home"
)
# The rest of /proc stays the host's: processes are real ones.
_PROC_FILES = ("cpuinfo", "meminfo", "version", "uptime", "loadavg", "stat", "cmdline")
_TOOLS = (
    "[ base64 basename cat chmod cmp comm cp cut date dd diff dirname du echo env expand expr false find fold"
    " grep egrep fgrep gunzip gzip head hostname ln ls md5sum mkdir mkfifo mktemp mv nice nohup od paste"
    " printenv printf pwd readlink realpath renice rm rmdir sed seq setsid sha1sum sha256sum sha512sum sleep"
    " sort split stat stty sync tail tar tee test time timeout touch tr true truncate uniq wc which"
    " xargs xxd yes"
)
_FOLDERS = ("data/local/tmp", "sdcard", "proc", "sys/devices/system/cpu", "etc", "tmp")


class Sandbox:
    """A folder that stands for the phone's root.

    Args:
        folder: made if absent; kept files are found again, as after a reboot.
        profile: decides commands and writable places.
    """

    def __init__(self, folder: Path, profile: Profile) -> None:
        self.root = (folder / "root").absolute()
        if not re.fullmatch(r"[\w./+-]+", str(self.root)):
            raise ValueError(f"{folder}: the sandbox's path may hold only letters, digits and ./+-_")
        self._profile = profile
        self._to_sandbox = _path_pattern()
        for name in (*_FOLDERS, profile.bin_folder.strip("/"), *(w.strip("/") for w in profile.writable)):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self.bin = self.root / profile.bin_folder.strip("/")
        self._add_tools()
        for name in ("cpuinfo", "meminfo"):
            self.write(f"/proc/{name}", profile.recording(f"{name}.txt") or "")

    def to_host(self, path: str) -> Path:
        """Where a path of the phone lies on the host; ``..`` does not lead out."""
        return self.root / _normal(path).lstrip("/")

    def to_phone(self, text: str) -> str:
        """A text of the host as the phone says it: without the sandbox's path."""
        return re.sub(re.escape(str(self.root)) + r"(?=/|$)", "", text) or "/"

    def is_writable(self, path: str) -> bool:
        """Whether the shell user may create this path."""
        normal = _normal(path)
        return any(normal.startswith(folder + "/") for folder in self._profile.writable)

    def map_command(self, text: str) -> str:
        """A shell command with every absolute path moved into the sandbox."""
        arithmetic = [match.span() for match in re.finditer(r"\$\(\(.*?\)\)", text)]

        def moved(match: re.Match[str]) -> str:
            if any(start <= match.start() < end for start, end in arithmetic):
                return match.group()
            return f"{match['before']}{self.root}{match['path'] if match['path'] != '/' else '/'}"

        return self._to_sandbox.sub(moved, text)

    def output_filter(self) -> OutputFilter:
        """Maps a stream of output back."""
        return OutputFilter(self.root)

    def write(self, path: str, text: str) -> None:
        """Put a system file, such as one below /sys, where a command finds it."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def add_command(self, name: str, text: str) -> None:
        """Put a script among the commands."""
        file = self.bin / name
        file.unlink(missing_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755)

    def _add_tools(self) -> None:
        for name in _TOOLS.split():
            found = shutil.which(name, path="/usr/bin:/bin")
            link = self.bin / name
            if found is not None and not link.is_symlink():
                link.symlink_to(found)
        for name in ("sh", "simulated-phone-python"):
            link = self.bin / name
            target = "/bin/sh" if name == "sh" else os.path.realpath(sys.executable)
            if not link.is_symlink():
                link.symlink_to(target)


class OutputFilter:
    """Takes the sandbox's path out of a stream that comes in pieces of any size."""

    def __init__(self, root: Path) -> None:
        self._root = str(root).encode()
        self._held = b""

    def __call__(self, data: bytes) -> bytes:
        """The next piece, as far as it can be decided."""
        text = self._replaced(self._held + data)
        held = next((n for n in range(len(self._root), 0, -1) if text.endswith(self._root[:n])), 0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> bytes:
        """What was held back, at the end of the stream."""
        rest, self._held = self._held, b""
        return b"/" if rest == self._root else rest

    def _replaced(self, text: bytes) -> bytes:
        text = text.replace(self._root + b"/", b"/")
        return re.sub(re.escape(self._root) + rb"(?=.)", b"/", text, flags=re.DOTALL)


def _normal(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))


def _path_pattern() -> re.Pattern[str]:
    """Absolute paths as they stand in shell commands: at the start, or after a blank, ``=``, a quote …"""
    names = sorted({*_TOP_FOLDERS.split(), *(entry.name for entry in Path("/").iterdir())} - {"dev", "proc"})
    ends = r"""(?=[/\s'"`;|&<>(){}\[\]*?$,:\\]|$)"""
    folders = "|".join(re.escape(name) for name in names)
    files = "|".join(_PROC_FILES)
    alone = r"""(?=["']?(?:[\s;|&)*]|$))"""
    return re.compile(
        rf"""(?P<before>(?:^|[\s=,;|&<>(`!{{]|:(?!//))["'\\]{{0,3}})"""
        rf"""(?P<path>/+(?:(?:{folders}){ends}|proc/(?:{files}){ends}|{alone}))"""
    )
