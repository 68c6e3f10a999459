"""For which processor a binary was built, told from the head of its ELF file."""

from __future__ import annotations

from pathlib import Path

from fbsearch.errors import DeviceError, UnreadableFileError
from fbsearch.files import open_regular

_MAGIC = b"\x7fELF"
_HEAD_BYTES = 20
_MACHINES = {3: "x86", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_ABI_MACHINES = {
    "arm64-v8a": "aarch64",
    "armeabi-v7a": "arm",
    "armeabi": "arm",
    "x86_64": "x86_64",
    "x86": "x86",
    "riscv64": "riscv64",
    "linux-aarch64": "aarch64",
    "linux-arm": "arm",
    "linux-x86_64": "x86_64",
    "linux-x86": "x86",
}


def is_script(path: Path) -> bool:
    """Whether the file starts with ``#!``: a script runs on any processor that has its interpreter."""
    return _head(path).startswith(b"#!")


def check_machine(path: Path, abi: str) -> None:
    """Make sure that a binary is an ELF file for an ABI's processor.

    Args:
        path: the binary.
        abi: Android's name, or ``linux-…`` for a board; of one that is not known, only ELF is asked.

    Raises:
        DeviceError: if it is not; the message says what it is.
    """
    head = _head(path)
    if not head.startswith(_MAGIC) or len(head) < _HEAD_BYTES:
        raise DeviceError(
            f"{path}: no ELF binary, it starts with {head[:12]!r}; give the benchmark binary for {abi} itself"
        )
    number = int.from_bytes(head[18:20], "big" if head[5] == 2 else "little")
    machine, wanted = _MACHINES.get(number, f"ELF machine {number}"), _ABI_MACHINES.get(abi)
    if wanted is not None and machine != wanted:
        raise DeviceError(
            f"{path}: built for {machine}, the phone's ABI {abi} needs {wanted}; give the binary for {abi}"
        )


def _head(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(_HEAD_BYTES)
    except UnreadableFileError as error:
        raise DeviceError(f"{path}: cannot read the binary: {error}; give another file") from None
