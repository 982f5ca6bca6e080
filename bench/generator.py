"""The load generator: `blast.c`, built on the spot and run in one end of a `Lab`."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from bench.processes import kernel_thread_seconds, spawn
from netdash.errors import NetdashError, NotSupportedError
from tests.namespaces import Lab, interface_counters, set_offloads

_SOURCE = Path(__file__).with_name("blast.c")
_END_SECONDS = 20.0
"""A generator that was told to end waits for its last frames: some grace periods of RCU."""


class Sent(msgspec.Struct, frozen=True):
    """What a load was; `blast` prints it."""

    packets: int
    seconds: float
    cpu_seconds: float
    """User and system time of the generator, with the receiving softirq that ran on its CPU in its stead."""
    softirq_thread_seconds: float = 0.0
    """Time of that CPU's ksoftirqd meanwhile."""

    @property
    def rate(self) -> float:
        """Packets a second."""
        return self.packets / self.seconds

    @property
    def cpu_ns_per_packet(self) -> float:
        """Nanoseconds of CPU on the generator's CPU for each packet: sending, receiving, and what listens there."""
        return (self.cpu_seconds + self.softirq_thread_seconds) / self.packets * 1e9


@dataclass(frozen=True, slots=True)
class Counted:
    """An interface's own counters."""

    packets: int
    bytes: int


class Load:
    """A running load."""

    def __init__(self, process: subprocess.Popen[bytes], cpu: int) -> None:
        self._process = process
        self._cpu = cpu
        self._softirq_thread_seconds = kernel_thread_seconds(f"ksoftirqd/{cpu}")

    def wait(self, timeout_seconds: float | None = None) -> Sent:
        """Until its packets or seconds are used up. Raises NetdashError when it failed."""
        try:
            output, _ = self._process.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise NetdashError(f"the load generator did not end within {timeout_seconds} s") from error
        if self._process.returncode:
            raise NetdashError(f"the load generator ended with status {self._process.returncode}")
        softirq = kernel_thread_seconds(f"ksoftirqd/{self._cpu}") - self._softirq_thread_seconds
        return msgspec.structs.replace(msgspec.json.decode(output, type=Sent), softirq_thread_seconds=softirq)

    def stop(self) -> Sent:
        """Ends it now."""
        self._process.terminate()
        return self.wait(_END_SECONDS)


@dataclass(frozen=True, slots=True)
class Generator:
    """Sends from `lab.a`; the packets arrive on `lab.b.interface` and are dropped behind the taps there."""

    program: Path
    lab: Lab
    cpu: int
    by_socket: bool
    """Through an AF_PACKET socket, where the kernel takes no XDP frames from user space."""

    @classmethod
    def open(cls, directory: Path, lab: Lab, cpu: int) -> Self:
        """Builds it in `directory` and finds out which way of sending this kernel has. Raises NotSupportedError."""
        program = _build(directory)
        generator = cls(program, lab, cpu, by_socket=False)
        # A veth end has the NAPI context that takes XDP frames while GRO is on.
        set_offloads(lab.b.namespace, lab.b.interface, True, ["gro"])
        before = generator.received()
        try:
            generator.start(1, packets=1).wait(_END_SECONDS)
        except NetdashError:
            arrived = False
        else:
            arrived = generator.received().packets > before.packets
        if arrived:
            return generator
        set_offloads(lab.b.namespace, lab.b.interface, False, ["gro"])
        return cls(program, lab, cpu, by_socket=True)

    def start(
        self,
        flows: int,
        *,
        packets: int | None = None,
        seconds: float | None = None,
        rate: float | None = None,
        frame_bytes: int = 60,
    ) -> Load:
        """Packets of `flows` UDP flows in turn, at `rate` a second (None: as fast as it can)."""
        command = [str(self.program), "-i", self.lab.a.interface, "-d", self.lab.b.ipv4]
        command += ["-f", str(flows), "-s", str(frame_bytes)]
        for option, value in (("-n", packets), ("-t", seconds), ("-r", rate)):
            if value is not None:
                command += [option, str(value)]
        if self.by_socket:
            command.append("-p")
        return Load(spawn(command, cpu=self.cpu, namespace=self.lab.a.namespace, stdout=subprocess.PIPE), self.cpu)

    def received(self) -> Counted:
        """The receiving interface's own counters now."""
        counters = interface_counters(self.lab.b.namespace, self.lab.b.interface)
        return Counted(counters["rx_packets"], counters["rx_bytes"])


def _build(directory: Path) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        raise NotSupportedError("the load generator needs a C compiler: install gcc")
    program = directory / "blast"
    command = [compiler, "-O2", "-pthread", "-o", str(program), str(_SOURCE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise NotSupportedError(f"the load generator does not build: {result.stderr.strip().splitlines()[-1]}")
    return program
