"""netdash without a screen, as a user runs it: `netdash --json`, its output in a file."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import msgspec

from bench.processes import await_file_line, end, spawn
from netdash.collector.process import REFUSE_VARIABLE
from netdash.errors import NetdashError

NETDASH = (sys.executable, "-m", "netdash")


class _Health(msgspec.Struct):
    lost_packets: int


class _Accounting(msgspec.Struct):
    counted_bytes: int


class _Figures(msgspec.Struct):
    rx_packets: int


class _Protocols(msgspec.Struct):
    ipv4: _Figures


class Summary(msgspec.Struct):
    """What the bench reads of the last line."""

    health: _Health
    mode: dict[str, str]
    accounting: dict[str, _Accounting]
    protocols: dict[str, _Protocols]


@dataclass(slots=True)
class Headless:
    """A running `netdash --json`; entering waits for its baseline, after which every packet is counted."""

    namespace: str
    cpu: int
    layer: str = "ebpf"
    """`ebpf` or `ring`."""
    _directory: TemporaryDirectory[str] = field(default_factory=TemporaryDirectory)
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._output.open("wb") as output:
            self._process = spawn(
                [*NETDASH, "--json"],
                cpu=self.cpu,
                namespace=self.namespace,
                stdout=output,
                environment={REFUSE_VARIABLE: "ebpf" if self.layer == "ring" else ""},
            )
        await_file_line(self._output, self._process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            end(self._process, signal.SIGKILL)
        self._directory.cleanup()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process whose output it is; its child is the collector."""
        assert self._process is not None
        return self._process

    def stop(self) -> Summary:
        """Interrupts it as Ctrl+C does; the totals of the run. Raises NetdashError when it failed."""
        end(self.process, signal.SIGINT)
        with self._output.open("rb") as output:
            lines = output.readlines()
        if self.process.returncode or not lines or not lines[-1].startswith(b'{"type":"summary"'):
            raise NetdashError(f"netdash --json ended with status {self.process.returncode} and no summary")
        try:
            summary = msgspec.json.decode(lines[-1], type=Summary)
        except msgspec.DecodeError as error:
            raise NetdashError(f"the summary of netdash --json is not as the bench knows it: {error}") from error
        if summary.mode["flows"] != self.layer:
            raise NetdashError(f"netdash counted by {summary.mode['flows']}; {self.layer} does not run here")
        return summary

    @property
    def _output(self) -> Path:
        return Path(self._directory.name, "output")
