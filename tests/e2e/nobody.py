"""The program as the user `nobody`, with no capability or with some: what setpriv(1) or a service of systemd starts."""

from __future__ import annotations

import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from netdash.kernel.capabilities import CAPABILITY_NAMES

NOBODY: Final = 65534

_CODE: Final = """
import ctypes, os, struct, sys
# Loaded while the files can be read, also where they lie in a directory that only root may enter.
import netdash.cli, netdash.run.live, netdash.run.file, netdash.collector.loop, netdash.sources.live
import netdash.sinks.headless, netdash.sinks.json_lines
import concurrent.futures.thread, encodings.ascii, encodings.idna, importlib.readers
{imports}
libc = ctypes.CDLL(None)
libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
os.setgroups([]); os.setresgid({uid}, {uid}, {uid}); os.setresuid({uid}, {uid}, {uid})
low, high = {mask} & 0xFFFFFFFF, {mask} >> 32
assert libc.capset(struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", low, low, 0, high, high, 0)) == 0
with open("/proc/self/status") as status:
    lines = dict(line.split(":", 1) for line in status)
assert lines["Uid"].split() == ["{uid}"] * 4
assert int(lines["CapEff"], 16) == int(lines["CapPrm"], 16) == {mask}
sys.exit(netdash.cli.main(sys.argv[1:]))
"""


def as_nobody(capabilities: Sequence[str] = (), modules: Sequence[str] = ()) -> str:
    """Python code that becomes `nobody` with exactly these capabilities and runs netdash with its own arguments.

    `modules`: what else this run will load.
    """
    mask = sum(1 << CAPABILITY_NAMES.index(name) for name in capabilities)
    return _CODE.format(imports="".join(f"import {name}\n" for name in modules), uid=NOBODY, mask=mask)


def skip_where_python_is_closed() -> None:
    """For tests in which the installed program becomes this user by itself, which reads Python's files afterwards."""
    if not all(place.stat().st_mode & stat.S_IXOTH for place in Path(sys.base_prefix).resolve().parents):
        pytest.skip("needs a Python that every user can read")
