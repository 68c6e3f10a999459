"""What several kinds of operators check alike."""

from __future__ import annotations


def group_problem(groups: int, *widths: int) -> str | None:
    """What is wrong with a number of groups, or None."""
    if groups > 1 and any(width % groups for width in widths):
        return f"groups={groups} must divide the channels {widths}"
    return None


def width_problem(in_channels: int, out_channels: int) -> str | None:
    """What is wrong with channels that a block must leave as they are, or None."""
    if in_channels != out_channels:
        return f"the output must have the input's {in_channels} channels, not {out_channels}"
    return None
