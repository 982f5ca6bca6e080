"""Gives memory that was freed back to the system."""

from __future__ import annotations

import ctypes
from functools import cache


def give_back_free_memory() -> None:
    """malloc_trim(3): what was freed between pieces in use goes back too. Without glibc nothing happens.

    Tables of many megabytes come and go with every interval, in threads that each have an arena: glibc keeps as much
    free memory as is in use. Takes some milliseconds, in which other threads run.
    """
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> ctypes._NamedFuncPointer | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except AttributeError:  # musl has none
        return None
