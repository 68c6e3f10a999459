"""Fetching one file over HTTPS into a file, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from fbsearch.errors import DeviceError

Progress = Callable[[int, int | None], None]
"""Told bytes so far and in all (None where the server does not say)."""

_CHUNK_BYTES = 1 << 16
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class DownloadError(DeviceError):
    """A file could not be fetched.

    Args:
        url: its address.
        why: in a few words.
    """

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"cannot fetch {url[:200]!r}: {why}; try again, or download it elsewhere and give it "
            "with --binary FILE"
        )
        self.why = why


class _Response(Protocol):
    def read(self, amount: int, /) -> bytes: ...


def download(
    url: str,
    target: Path,
    *,
    progress: Progress | None,
    silence_s: float,
    limit_s: float,
    max_bytes: int,
    allow_http: bool,
) -> str:
    """Fetch ``url`` into ``target`` and return the content's SHA-256 in hexadecimal.

    Args:
        url: ``https://…``.
        target: created or overwritten; on an error it may hold a part.
        progress: called with every chunk.
        silence_s: the longest wait for the server to say anything.
        limit_s: the longest time in all.
        max_bytes: a larger answer is refused.
        allow_http: whether ``http://`` will do, because the content's hash is known; this computer's own
            address needs no such leave.

    Raises:
        DeviceError: naming the address and what to do.
    """
    _check_address(url, allow_http=allow_http)
    request = urllib.request.Request(url, headers={"User-Agent": "fbsearch"})
    try:
        with urllib.request.urlopen(request, timeout=silence_s) as response, target.open("wb") as file:
            _check_address(response.geturl(), allow_http=allow_http)
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None
            return _copy(response, file, url, total, progress, time.monotonic() + limit_s, max_bytes)
    except urllib.error.HTTPError as error:
        raise DownloadError(url, f"the server answers {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise DownloadError(url, " ".join(str(reason).split())[:200]) from None


def _copy(
    response: _Response,
    file: BinaryIO,
    url: str,
    total: int | None,
    progress: Progress | None,
    deadline: float,
    max_bytes: int,
) -> str:
    digest, done = hashlib.sha256(), 0
    if (total or 0) > max_bytes:
        raise DownloadError(url, f"{total} bytes are more than the {max_bytes} allowed")
    while chunk := response.read(_CHUNK_BYTES):
        digest.update(chunk)
        file.write(chunk)
        done += len(chunk)
        if done > max_bytes:
            raise DownloadError(url, f"more than the {max_bytes} bytes allowed")
        if time.monotonic() > deadline:
            raise DownloadError(url, f"too slow: {done} bytes in all the time allowed")
        if progress:
            progress(done, total)
    if total is not None and done != total:
        raise DownloadError(url, f"the answer ended after {done} of {total} bytes")
    return digest.hexdigest()


def _check_address(url: str, *, allow_http: bool) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise DownloadError(url, "no address") from None
    if parts.scheme == "https" and host:
        return
    if parts.scheme != "http" or not host or not (allow_http or host in _LOOPBACK):
        raise DeviceError(
            f"{url[:200]!r}: binaries are fetched from https:// addresses (http:// with a SHA-256 given)"
        )
