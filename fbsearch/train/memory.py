"""Memory for training on a CPU: kept between steps, in large pages.

A step allocates and frees hundreds of megabytes. By default the C library returns large blocks to the system,
which hands them out again page by page, zeroed; and with pages of 4 KiB the processor's address cache misses
on every pass over an activation. Both together cost a supernet step a sixth of its time (docs/benchmarks.md).
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_DEFAULT_THRESHOLD = 128 * 1024
_LARGEST = 2**31 - 1
"""What a threshold, a C int, can be at most."""

_MADV_HUGEPAGE, _MADV_NOHUGEPAGE = 14, 15
_MARGIN = 64 * 2**20
_SHARE = 4
"""At most a quarter of the memory is set apart; what is never used takes none."""


@contextmanager
def large_pages() -> Iterator[None]:
    """Within the block, freed memory is kept, and up to 2 GB of it lie in large pages.

    Afterwards new memory comes in ordinary pages and goes back to the system, so that what is measured in
    this process next finds what any other process has; but what was allocated within and lives on keeps its
    pages. Linux with glibc; elsewhere nothing changes.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    size = min(_LARGEST - _MARGIN, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _SHARE)
    _set_thresholds(libc, _LARGEST)
    block = libc.malloc(size)
    if block:
        _advise(libc, block, size, _MADV_HUGEPAGE)
        libc.free(block)  # stays the process' own, for all that is allocated from here on
    try:
        yield
    finally:
        _set_thresholds(libc, _DEFAULT_THRESHOLD)
        libc.malloc_trim(0)
        if block:
            _advise(libc, block, size, _MADV_NOHUGEPAGE)


def _set_thresholds(libc: ctypes.CDLL, size: int) -> None:
    """From which size a block is a mapping of its own, and how much may lie free at the heap's end."""
    libc.mallopt(_M_MMAP_THRESHOLD, size)
    libc.mallopt(_M_TRIM_THRESHOLD, size)


def _advise(libc: ctypes.CDLL, block: int, size: int, advice: int) -> None:
    """Advice on the whole pages within a block; a kernel without large pages refuses, which is as well."""
    page = os.sysconf("SC_PAGE_SIZE")
    start = -(-block // page) * page
    libc.madvise(start, block + size - start, advice)
