"""``fbsearch devices``."""

from __future__ import annotations

from fbsearch.cli.printing import notify, print_json, print_table
from fbsearch.devices import DeviceListing, list_devices


def show_devices(*, as_json: bool) -> None:
    """Print every device: reachable ones with what they are, others with what to do."""
    listings, hints = list_devices()
    for hint in hints:
        notify(hint)
    if as_json:
        print_json([_to_dict(listing) for listing in listings])
        return
    rows = []
    for listing in listings:
        found = listing.description
        what = (
            listing.problem or ""
            if found is None
            else f"{found.model}, {found.num_cores} cores, {found.architecture}"
        )
        where = str(listing.source or ("built in" if listing.transport is None else listing.transport))
        rows.append([listing.name, "no" if found is None else "yes", what, where])
    print_table("Devices", ["name", "usable", "what", "defined in"], rows)


def _to_dict(listing: DeviceListing) -> dict[str, object]:
    return {
        "name": listing.name,
        "source": None if listing.source is None else str(listing.source),
        "transport": listing.transport,
        "is_usable": listing.description is not None,
        "description": None if listing.description is None else listing.description.model_dump(mode="json"),
        "problem": listing.problem,
    }
