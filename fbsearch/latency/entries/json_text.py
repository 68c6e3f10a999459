"""JSON that people's tools may have touched: what the standard parser lets pass is named here."""

from __future__ import annotations

import json
from typing import Any

from fbsearch.errors import TableFormatError


class _DuplicateKeyError(ValueError):
    pass


def parse_table_json(text: str, *, source: str) -> Any:
    """Parsed JSON; a key given twice is refused, where the standard parser silently keeps the last.

    ``NaN`` and infinities parse (Python's own writer makes them) and are left for the checks that can
    name their place.

    Raises:
        TableFormatError: if ``text`` is not such JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except _DuplicateKeyError as error:
        raise TableFormatError(f"{source}: entry {error} is given twice; delete one of them") from None
    except json.JSONDecodeError as error:
        raise TableFormatError(
            f"{source}: no latency table: not JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        ) from None
    except (RecursionError, ValueError):  # nested thousands deep; a number of thousands of digits
        raise TableFormatError(f"{source}: no latency table: JSON of an unreasonable size or depth") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(repr(key))
            seen.add(key)
    return result
