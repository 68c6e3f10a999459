"""JSON that people's tools may have touched: what the standard parser lets pass is named here."""

from __future__ import annotations

from typing import Any

from fbsearch.errors import MalformedJsonError, TableFormatError, UnreadableFileError
from fbsearch.files import parse_json


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
        return parse_json(text, make_object=_unique, allow_nan=True)
    except _DuplicateKeyError as error:
        raise TableFormatError(f"{source}: entry {error} is given twice; delete one of them") from None
    except MalformedJsonError as error:
        raise TableFormatError(f"{source}: no latency table: {error}") from None
    except UnreadableFileError as error:
        raise TableFormatError(
            f"{source}: no latency table: JSON of an unreasonable size or depth: {error}"
        ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(repr(key))
            seen.add(key)
    return result
