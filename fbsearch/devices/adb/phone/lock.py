"""One process at a time measures on a phone; a crash leaves no lock behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import platformdirs

from fbsearch.errors import DeviceError
from fbsearch.files import lock


@contextmanager
def phone_lock(serial: str, name: str) -> Iterator[None]:
    """Held within; released by the system when the process ends.

    Args:
        serial: the phone's.
        name: what people call it.

    Raises:
        DeviceError: if another process of this user holds it.
    """
    folder = platformdirs.user_cache_path("fbsearch") / "locks"
    path = folder / hashlib.sha256(serial.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise DeviceError(f"{path}: cannot make a lock: {error.strerror or error}") from None
    with file:
        if not lock(file):
            raise DeviceError(
                f"another fbsearch measures on device {name!r} ({serial}) now: wait for it, or use another"
            )
        yield
