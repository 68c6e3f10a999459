"""Why a benchmark tool did not run, told from its exit code and what it printed."""

from __future__ import annotations

from collections.abc import Sequence

from fbsearch.devices.adb.readings.printed_text import lines_of, quoted
from fbsearch.errors import LaunchRefusedError, MeasurementError

Failure = tuple[str, str]
"""A text that means failure wherever a line holds it, and what to do about it."""

SETUP_COMMAND = "fbsearch devices setup"

_OTHER_BINARY = f"the binary is not for this phone: fetch the one of its ABI with '{SETUP_COMMAND}'"

_SHELL_FAILURES: tuple[Failure, ...] = (
    (
        "CANNOT LINK EXECUTABLE",
        "the phone lacks a shared library: push it too, or use a self-contained binary",
    ),
    ("not executable:", _OTHER_BINARY),
    ("Exec format error", _OTHER_BINARY),
    ("cannot execute binary file", _OTHER_BINARY),
    (
        "can't execute: Permission denied",
        "the binary may not be executed there: it needs mode 755 and a place other than /sdcard",
    ),
    ("inaccessible or not found", "a file is missing on the phone: run again, so that it is pushed anew"),
    ("Text file busy", "the binary is being written or still runs: end the other launch and run again"),
    ("No space left on device", "the phone is full: free some space on it and run again"),
)

_EXIT_CODES: dict[int, tuple[str, str]] = {
    124: ("stopped by a time limit", "allow more time, or fewer runs"),
    126: ("may not be executed", "it needs mode 755 and the phone's ABI; /sdcard does not execute"),
    127: ("not found on the phone", "run again, so that it is pushed anew"),
    129: ("ended by a hang-up", "the connection closed while it ran: run again"),
    132: ("illegal instruction", "the binary is for a newer processor: use another build"),
    134: ("aborted", "see what it printed; a binary of another version may help"),
    135: ("bus error", "use another build of the binary"),
    137: ("killed by the system", "most often for lack of memory: close apps, or measure a smaller model"),
    139: ("segmentation fault", "use another build of the binary, or another delegate"),
    143: ("terminated", "something ended it: run again"),
}


def check_launch(
    tool: str, stdout: str, stderr: str, exit_code: int, *, failures: Sequence[Failure] = ()
) -> None:
    """Make sure that a launch neither failed nor printed that something did.

    Args:
        tool: its name, for messages.
        stdout: what it printed; where the transport cannot separate them, with stderr in it.
        stderr: what it printed as errors.
        exit_code: as the phone's shell tells it.
        failures: of this tool, the most telling first; those of the shell follow them.

    Raises:
        MeasurementError: naming the line, and what to do.
        LaunchRefusedError: where another launch would end the same.
    """
    for needle, remedy in (*failures, *_SHELL_FAILURES):
        for text in (stderr, stdout):
            position = text.find(needle)
            if position >= 0:
                raise LaunchRefusedError(f"{tool} failed: {quoted(_line_at(text, position))}; {remedy}")
    if exit_code != 0:
        meaning, remedy = _EXIT_CODES.get(
            exit_code,
            (f"ended with exit code {exit_code}", "see what it printed; is the binary a newer one?"),
        )
        raise MeasurementError(f"{tool} {meaning}: {_telling_line(stdout, stderr)}; {remedy}")


def _line_at(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    return text[start : end if end >= 0 else len(text)].strip()


def _telling_line(stdout: str, stderr: str) -> str:
    """The last line that tells of an error, or else the last line."""
    printed = [line.strip() for text in (stdout, stderr) for line in lines_of(text[-20_000:]) if line.strip()]
    errors = [
        line
        for line in printed
        if line.startswith(("ERROR", "FATAL", "F ", "terminate called", "libc++abi"))
        and "Benchmarking failed" not in line
    ]
    if errors or printed:
        return f"it printed {quoted((errors or printed)[-1])}"
    return "it printed nothing"
