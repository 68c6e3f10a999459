"""Large pages while training, ordinary ones afterwards."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SCRIPT = """
import re, resource, torch
from contextlib import nullcontext
from fbsearch.train import large_pages

def large_kib():
    return sum(map(int, re.findall(r"AnonHugePages: +([0-9]+) kB", open("/proc/self/smaps").read())))

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.ones(8)
for block in (nullcontext(), large_pages(), nullcontext()):
    with block:
        held = torch.ones(2**24)
        faults()
        print(large_kib(), faults())
        del held
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's")
@pytest.mark.skipif(
    not SETTING.exists() or "[never]" in SETTING.read_text(), reason="the kernel hands out no large pages"
)
@pytest.mark.skipif("[always]" in (SETTING.read_text() if SETTING.exists() else ""), reason="always large")
def test_memory_is_kept_in_large_pages_and_given_back():
    told = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    before, within, after = [tuple(map(int, line.split())) for line in re.findall(r".+", told)]
    assert within[0] >= 2**15 > max(before[0], after[0])
    assert within[1] < 100 < before[1]
