"""Memory that was freed goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes
from pathlib import Path
from resource import getpagesize
from netdash.ui.free_memory import give_back_free_memory

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()

pieces = [ctypes.create_string_buffer(100_000) for _ in range(800)]
kept = pieces[-1]
del pieces
before = resident_bytes()
give_back_free_memory()
print(before - resident_bytes())
"""
"""Pieces too small for mappings of their own, and the last one kept: the heap cannot shrink by itself."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has malloc_trim")
def test_free_memory_below_memory_in_use_goes_back() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50_000_000
