"""The proxies that options ask for."""

from __future__ import annotations

from pathlib import Path

from fbsearch.errors import InvalidInputError
from fbsearch.latency import LatencyTable
from fbsearch.proxies import LatencyProxy, Proxy, expand_names, find_proxy


def chosen_proxies(text: str, table: Path | None) -> tuple[Proxy, ...]:
    """The proxies of a text, each once; with a table, latency too where it or all are asked for.

    Args:
        text: names with commas between them, or ``all``.
        table: file of latencies.

    Raises:
        InvalidInputError: if a name is no proxy's, or latency's without a table.
        TableError: if the table cannot be read.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    wants_latency = "latency" in names or (table is not None and "all" in names)
    if wants_latency and table is None:
        raise InvalidInputError("proxy 'latency' needs the latencies of operators: give a table with --table")
    others = [name for name in names if name != "latency"]
    found = [find_proxy(name) for name in expand_names(",".join(others))] if others or not names else []
    if table is not None and wants_latency:
        found.append(LatencyProxy(LatencyTable.load(table)))
    return tuple(found)
