"""What may happen between the generations of a search: latencies that become better known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fbsearch.architecture import Architecture
from fbsearch.search.limit import Limit


class Between(Protocol):
    """Learns about the leading candidates of a search while it runs, such as by measuring their operators.

    Called with the leaders, the best first, whenever some generations have passed, and once more at the end.
    What it learns it keeps by itself: a search that was killed and resumed is given limits that know it.
    """

    def __call__(self, leaders: Sequence[Architecture]) -> Sequence[Limit] | None:
        """The limits as they are known now, in the order of the problem's; None where nothing is new."""
