"""``fbsearch devices`` by itself: every device there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from fbsearch.cli.options import Json
from fbsearch.cli.printing import notify, print_json, print_table

if TYPE_CHECKING:
    from fbsearch.devices import DeviceListing

EXAMPLES = (
    "Examples: fbsearch devices; fbsearch devices --json; "
    "fbsearch devices describe adb:SERIAL --write devices/pixel7.yaml; fbsearch devices setup pixel7"
)


def devices(context: typer.Context, as_json: Json = False) -> None:
    """List the devices that models can be measured on; describe a phone; provide its benchmark binary."""
    if context.invoked_subcommand is not None:
        if as_json:
            raise typer.BadParameter(f"give --json after {context.invoked_subcommand!r}", ctx=context)
        return
    from fbsearch.devices import list_devices

    listings, hints = list_devices()
    for hint in hints:
        notify(hint)
    if as_json:
        print_json([_record(listing) for listing in listings])
        return
    rows = [_row(listing) for listing in listings]
    print_table("Devices", ["name", "usable", "what", "defined in"], rows)


def _row(listing: DeviceListing) -> list[str]:
    """A reachable one with what it is, another with what to do."""
    where = str(listing.source or ("built in" if listing.transport is None else listing.transport))
    found = listing.description
    if found is None:
        return [listing.name, "no", listing.problem or "", where]
    return [listing.name, "yes", f"{found.model}, {found.num_cores} cores, {found.architecture}", where]


def _record(listing: DeviceListing) -> dict[str, Any]:
    return {
        "name": listing.name,
        "source": None if listing.source is None else str(listing.source),
        "transport": listing.transport,
        "is_usable": listing.description is not None,
        "description": None if listing.description is None else listing.description.model_dump(mode="json"),
        "problem": listing.problem,
    }
