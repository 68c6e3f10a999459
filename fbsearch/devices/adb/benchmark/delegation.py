"""Whether the delegate that was asked for took the graph, told from what ``benchmark_model`` printed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from fbsearch.devices.adb.readings.printed_text import quoted
from fbsearch.errors import LaunchRefusedError

DelegateName = Literal["xnnpack", "gpu", "nnapi", "none"]

_APPLIED = re.compile(
    r"(?:INFO: )?(?:Explicitly applied|Applied|Though) (\S{1,40}) delegate\b.{0,40}\bmodel graph will "
    r"(be completely|be partially|not be) executed\b"
)
_IMPLICIT_XNNPACK = re.compile(
    r"(?:INFO: )?(?:\[[^\]]{1,80}\] )?Created TensorFlow Lite XNNPACK delegate for CPU\b"
)
_UNSUPPORTED = re.compile(r"(?:\w+: )?(GPU|NNAPI) acceleration is unsupported on this platform")
_LONGEST_LINE = 400


def delegate_that_ran(printed: Sequence[str], wanted: DelegateName, *, may_be_partial: bool) -> str | None:
    """What the text says took the graph.

    Args:
        printed: the lines.
        wanted: the delegate that the launch asked for.
        may_be_partial: whether it may leave operators to other kernels.

    Returns:
        Its name as the tool prints it, followed by `` (partly)`` where it left operators; None where the
        text does not say, which only ``xnnpack`` and ``none`` may.

    Raises:
        LaunchRefusedError: if another one did, or it did not take the graph.
    """
    taken: str | None = None
    for line in printed:
        if len(line) > _LONGEST_LINE or ("delegate" not in line and "acceleration" not in line):
            continue
        if (unsupported := _UNSUPPORTED.match(line)) and unsupported[1].lower() == wanted:
            raise _refusal(wanted, line, "the phone does not offer it")
        if _IMPLICIT_XNNPACK.match(line):
            if wanted == "none":
                raise _refusal(wanted, line, "XNNPACK took the graph although none was asked for")
            if wanted == "xnnpack":
                taken = taken or "XNNPACK"
        elif applied := _APPLIED.match(line):
            taken = _taker(applied, line, wanted, may_be_partial=may_be_partial)
    if taken is None and wanted in ("gpu", "nnapi"):
        raise LaunchRefusedError(
            f"benchmark_model does not say that the {wanted.upper()} delegate took the model: "
            "use a newer binary, or another delegate in the device file"
        )
    return taken


def _taker(applied: re.Match[str], line: str, wanted: DelegateName, *, may_be_partial: bool) -> str:
    name, extent = applied[1], applied[2]
    if name.lower() != wanted:
        raise _refusal(wanted, line, "another delegate was applied")
    if extent == "not be":
        raise _refusal(wanted, line, "it took no operator")
    if extent == "be partially":
        if not may_be_partial:
            raise _refusal(wanted, line, "it took only a part of the model")
        return f"{name} (partly)"
    return name


def _refusal(wanted: DelegateName, line: str, why: str) -> LaunchRefusedError:
    asked = "no delegate" if wanted == "none" else f"the {wanted.upper()} delegate"
    return LaunchRefusedError(
        f"asked for {asked}, but {why}: {quoted(line)}; choose another delegate in the device file"
    )
