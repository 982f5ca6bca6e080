"""Helper processes of the bench that are spoken to by lines."""

from __future__ import annotations

import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

from bench.processes import end, spawn
from netdash.errors import NetdashError


class LineProcess:
    """`python -m MODULE ARGUMENTS` in a namespace; each line on its stdin is one order, stdout has the answers."""

    def __init__(self, module: str, *arguments: str, namespace: str, cpu: int) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self._process = spawn(command, cpu=cpu, namespace=namespace, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._name = " ".join((module, *arguments))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end(self._process, signal.SIGKILL)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                stream.close()

    def order(self) -> bytes:
        """Sends an empty line; the next line of its output."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return self.read()

    def read(self) -> bytes:
        """The next line of its output. Raises NetdashError when it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise NetdashError(f"{self._name} ended early")
        return line

    def finish(self) -> bytes:
        """Ends its stdin; the last line that it prints."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self.read()
