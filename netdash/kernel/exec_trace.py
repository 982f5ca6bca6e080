"""Command lines of processes, kept by the kernel when a program is started: also of those that are gone in no time.

See `programs/exec_trace.bpf.c`. Only programs that were started since `open` are known, and the last few thousand.
"""

from __future__ import annotations

import struct
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.bpf import RunStatistics
from netdash.kernel.btf import Btf
from netdash.kernel.procfs import parse_command
from netdash.kernel.tracing import TracingObject, explained

DEFAULT_MAX_PROCESSES: Final = 8192
"""A table of this many command lines takes 3 MB of kernel memory."""

COMMAND_BYTES: Final = 256
"""What is kept of a command line."""

EXEC_KEY: Final = np.dtype([("start_ticks", "<u8"), ("pid", "<u4"), ("unused", "<u4")])
"""One process (16 bytes, `struct exec_key`)."""

_KEY: Final = struct.Struct("<QI4x")
"""`struct exec_key`: start ticks, pid."""
_VALUE: Final = struct.Struct(f"<Q{COMMAND_BYTES}s")
"""`struct command_line`: full length, arguments each followed by NUL."""
_COMMAND: Final = np.dtype([("value", f"V{_VALUE.size}")])
_PURPOSE: Final = "command lines of short-lived processes"


class ExecTrace:
    """Keeps command lines from `open` to `close`. What is open can be used without any capability."""

    def __init__(self, loaded: TracingObject) -> None:
        """Takes over what `open` loaded."""
        self._loaded = loaded

    @classmethod
    def open(cls, max_processes: int = DEFAULT_MAX_PROCESSES, btf: Btf | None = None) -> Self:
        """Keeps command lines from now on, of the last `max_processes` or so.

        Raises NotPermittedError (wants CAP_BPF and CAP_PERFMON), NotSupportedError (Linux 5.5, BTF), NetdashError.
        """
        return cls(
            TracingObject.open(
                "exec_trace",
                purpose=_PURPOSE,
                needs="Linux 5.5 or later",
                btf=btf,
                max_entries={"commands": max_processes},
            )
        )

    def command(self, pid: int, start_ticks: int) -> str | None:
        """The command line, arguments joined by spaces, with "…" where it was cut; None if it is not known.

        `start_ticks`: as in /proc/PID/stat and in TRAFFIC_ROW. Of a process that started several programs it is the
        last. A process that never started one (a forked worker) is not known.
        """
        with explained(_PURPOSE):
            value = self._loaded.maps["commands"].lookup(_KEY.pack(start_ticks, pid))
        return None if value is None else parse_command_line(value)

    def processes(self) -> NDArray[np.void]:
        """EXEC_KEY of all processes whose command line is kept, in no order; 1 ms for a full table."""
        with explained(_PURPOSE):
            return self._loaded.maps["commands"].read(EXEC_KEY, _COMMAND)[0]

    @staticmethod
    def no_processes() -> NDArray[np.void]:
        """As `processes` where nothing is kept."""
        return np.zeros(0, EXEC_KEY)

    def run_statistics(self) -> RunStatistics:
        """Runs of the program, one per started program, and their time (sysctl kernel.bpf_stats_enabled)."""
        with explained(_PURPOSE):
            return self._loaded.run_statistics()["keep_command"]

    def close(self) -> None:
        """Frees everything."""
        self._loaded.close()


def parse_command_line(value: bytes) -> str:
    """The text of a `struct command_line`. It is the process's own word: any bytes, decoded with replacement."""
    full_bytes, arguments = _VALUE.unpack(value)
    if full_bytes <= COMMAND_BYTES:
        return parse_command(arguments[:full_bytes])
    # The cut may have gone through a character.
    return parse_command(arguments).rstrip("\ufffd") + "…"
