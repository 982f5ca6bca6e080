"""Packet counting in the kernel: an eBPF socket filter fills flow tables, user space empties them once per interval.

The program (`programs/flows.bpf.c`) writes one of two sets of maps. `switch` makes it write the other; `drain` waits
until no program run still uses the first, then moves that to NumPy arrays. So nothing is counted twice or lost, and
packets never reach user space.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from netdash.errors import NetdashError, NotSupportedError, RefusedError
from netdash.kernel.bpf import (
    BpfError,
    Program,
    ProgramRejectedError,
    ProgramType,
    RunStatistics,
    wait_for_running_programs,
)
from netdash.kernel.bpf_map import BpfMap, possible_cpus
from netdash.kernel.capabilities import has
from netdash.kernel.capture_filter import CaptureFilter
from netdash.kernel.packet_socket import bind_to_all_interfaces
from netdash.kernel.packet_tap import PacketTap
from netdash.kernel.programs import Artefact
from netdash.kernel.raw_flow import (
    FLAG_OVERFLOW,
    FLOW_KEY,
    FLOW_VALUE,
    SIZE_BUCKETS,
    SIZE_COUNTS,
    STATION_COUNTS,
    RawCounts,
)
from netdash.kernel.watch_filter import WATCH_KEY, WatchFilter
from netdash.model.packets import PacketBudget, WatchedPacket

DEFAULT_MAX_FLOWS = 131072
"""Two tables of this many flows take 40 MB of kernel memory."""

SO_ATTACH_BPF = 50
"""asm-generic/socket.h; not in Python's socket module."""

_SIZE_KEY = np.dtype([("ifindex", "<u4"), ("outgoing", "u1"), ("bucket", "u1"), ("unused", "<u2")])
"""The key of the maps `sizes_*`."""

_STATION_KEY = np.dtype([("ifindex", "<u4"), ("outgoing", "<u4"), ("station", "<u8")])
_STATION_VALUE = np.dtype([("packets", "<u8"), ("bytes", "<u8")])
_NO_STATION = (bytes(_STATION_KEY.itemsize), bytes(_STATION_VALUE.itemsize))
"""Key and value that the program expects in each map `stations_*`: where frames go when that is full."""

_CONTROL_KEY = bytes(4)

_CONTROL = struct.Struct("<7Q")
"""`struct control`: which set of maps is written, 0, then `struct watch` of flows_watch.bpf.h."""

_NO_WATCH = (0, 0, 0, 0, 0)

_REST_ROW = (struct.pack("<10xH36x", FLAG_OVERFLOW), bytes(FLOW_VALUE.itemsize))
"""Key and value that the program expects in each overflow map: where packets go when even that is full."""

_NEEDS_BPF = "needs CAP_BPF (before Linux 5.11 also no limit on locked memory); run as root, or use the packet ring"


@contextlib.contextmanager
def _explained(action: str) -> Iterator[None]:
    """Turns failures of bpf(2) into errors that name the cause and the remedy."""
    try:
        yield
    except ProgramRejectedError as error:
        raise NotSupportedError(
            f"flow counting by eBPF: this kernel's verifier refused the program ({error.strerror}); use the packet ring"
        ) from error
    except BpfError as error:
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        subject, cause = f"{action} by eBPF", f"{name} on BPF_{error.command.name}"
        where = f"{subject} refused ({cause})"
        if error.errno in (errno.EPERM, errno.EACCES):
            raise RefusedError(subject, cause, _NEEDS_BPF) from error
        if error.errno == errno.ENOMEM:
            raise NetdashError(f"{where}: not enough kernel memory; allow fewer flows") from error
        raise NotSupportedError(f"{where}: needs a kernel with CONFIG_BPF_SYSCALL; use the packet ring") from error


def _packet_socket() -> socket.socket:
    """Not bound to a protocol yet: it sees nothing until its filter is in place."""
    try:
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except PermissionError as error:
        remedy = (
            "CAP_NET_RAW is there, but a security policy (seccomp, a container's profile) forbids it; run on the host"
            if has("CAP_NET_RAW")
            else "needs CAP_NET_RAW; run as root"
        )
        raise RefusedError("packet socket", "EPERM on socket AF_PACKET", remedy) from error
    except OSError as error:
        raise NotSupportedError(
            f"packet socket refused ({error.strerror}): needs a kernel with CONFIG_PACKET"
        ) from error


def _load_program(artefact: Artefact, maps: Mapping[str, BpfMap], prefix: bytes) -> Program:
    """The best variant that this kernel takes, behind `prefix`."""
    descriptors = {name: item.fd for name, item in maps.items()}
    rejection: ProgramRejectedError | None = None
    for variant in artefact.variants:
        instructions = prefix + variant.link(descriptors)
        try:
            return Program("count_flows", ProgramType.SOCKET_FILTER, instructions, artefact.license)
        except ProgramRejectedError as error:
            rejection = error
    raise rejection or ProgramRejectedError(errno.ENOEXEC, "no variant was built")


def _size_counts(keys: NDArray[np.void], values: NDArray[np.void]) -> NDArray[np.void]:
    """Rows of (ifindex, outgoing, bucket) with frames per CPU -> one SIZE_COUNTS row per (ifindex, outgoing)."""
    interfaces, rows = np.unique(keys[["ifindex", "outgoing"]], return_inverse=True)
    sizes = np.zeros(len(interfaces), SIZE_COUNTS)
    sizes["ifindex"] = interfaces["ifindex"]
    sizes["outgoing"] = interfaces["outgoing"]
    buckets = np.minimum(keys["bucket"], SIZE_BUCKETS - 1)
    np.add.at(sizes["packets"], (rows, buckets), values["frames"].sum(axis=1))
    return sizes


class BpfPacketCounter:
    """`PacketCounter` that counts in the kernel; see `open`. One per network namespace."""

    layer = "ebpf"

    def __init__(self, packet_socket: socket.socket, program: Program, maps: Mapping[str, BpfMap]) -> None:
        """Takes over what `open` made."""
        self._socket = packet_socket
        self._program = program
        self._maps = maps
        self._active = 0
        self._tap = PacketTap(packet_socket)
        self._watch = _NO_WATCH
        self._budget = PacketBudget(time.monotonic())
        self._ended: int | None = None
        """The set of maps that `switch` took out of use and `drain` has not emptied yet."""
        self._lock = threading.Lock()
        """Held while a worker thread uses the descriptors of the maps that are drained."""
        self._watch_lock = threading.Lock()
        """Held while a worker thread uses the socket's queue or the map of watched keys."""
        self._control_lock = threading.Lock()
        """Held for one update of the map `control`."""
        for number in "01":
            maps[f"overflow_{number}"].update(*_REST_ROW)
            maps[f"stations_{number}"].update(*_NO_STATION)

    @classmethod
    def open(cls, max_flows: int = DEFAULT_MAX_FLOWS, capture: CaptureFilter | None = None) -> Self:
        """Counts from now on on all interfaces, also later ones, of the calling thread's network namespace.

        `max_flows`: flows with traffic in one interval that are told apart; what is beyond counts in overflow rows.
        `capture`: only packets that match it are counted.
        Raises NotPermittedError (wants CAP_NET_RAW and CAP_BPF), NotSupportedError, NetdashError (no memory).
        """
        artefact = Artefact.load("flows")
        with contextlib.ExitStack() as opened, _explained("flow counting"):
            packet_socket = opened.enter_context(_packet_socket())
            maps = {}
            for name, definition in artefact.maps.items():
                if name.startswith("flows_"):
                    definition = replace(definition, max_entries=max_flows)
                maps[name] = BpfMap(name, definition)
                opened.callback(maps[name].close)
            program = _load_program(artefact, maps, capture.prefix() if capture is not None else b"")
            opened.callback(program.close)
            packet_socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, struct.pack("=i", program.fd))
            counter = cls(packet_socket, program, maps)
            try:
                bind_to_all_interfaces(packet_socket)
            except OSError as error:
                raise NotSupportedError(
                    f"packet socket: bind to all interfaces: {error.strerror}; use the packet ring"
                ) from error
            opened.pop_all()
        return counter

    def switch(self) -> int:
        """Ends the interval: later packets count for the next. Returns CLOCK_MONOTONIC nanoseconds of the switch.

        While the interval before is not drained yet nothing is switched: its counts wait, later ones come with the
        next interval, none is lost.
        Raises NotPermittedError when privilege is gone on kernels that want it for each access.
        """
        with _explained("switching flow tables"):
            if self._ended is None:
                self._set_control(1 - self._active, self._watch)
                self._ended = 1 - self._active
        return time.monotonic_ns()

    async def drain(self) -> RawCounts:
        """What was counted in the interval that the last `switch` ended; `lost_packets` is always 0.

        Works in a thread that releases the GIL: some 20 ms of waiting, then 0.3 µs per flow. The arrays are the
        caller's. Raises RuntimeError without a `switch` before, NotPermittedError as `switch`.
        """
        if self._ended is None:
            raise RuntimeError("drain without switch")
        with _explained("reading flow tables"):
            return await asyncio.to_thread(self._drain)

    def _drain(self) -> RawCounts:
        with self._lock:
            if self._ended is None:
                raise RuntimeError("drained or closed meanwhile")
            wait_for_running_programs()
            keys, values = self._maps[f"flows_{self._ended}"].drain(FLOW_KEY, FLOW_VALUE)
            overflow = self._maps[f"overflow_{self._ended}"]
            overflow_keys, overflow_values = overflow.drain(FLOW_KEY, FLOW_VALUE)
            overflow.update(*_REST_ROW)
            used = overflow_values["skb_packets"] > 0
            if used.any():
                keys = np.concatenate([keys, overflow_keys[used]])
                values = np.concatenate([values, overflow_values[used]])
            per_cpu = np.dtype([("frames", "<u8", possible_cpus())])
            sizes = _size_counts(*self._maps[f"sizes_{self._ended}"].drain(_SIZE_KEY, per_cpu))
            stations = self._drain_stations(self._maps[f"stations_{self._ended}"])
            self._ended = None
        return RawCounts(keys, values, sizes, lost_packets=0, other_stations=stations)

    @staticmethod
    def _drain_stations(table: BpfMap) -> NDArray[np.void]:
        keys, values = table.drain(_STATION_KEY, _STATION_VALUE)
        table.update(*_NO_STATION)
        counts = np.zeros(len(keys), STATION_COUNTS)
        for name in ("ifindex", "outgoing", "station"):
            counts[name] = keys[name]
        for name in ("packets", "bytes"):
            counts[name] = values[name]
        return counts[counts["packets"] > 0]

    def watch(self, wanted: WatchFilter | None) -> None:
        """From now on the packets of this filter can be fetched, of no filter none. Some µs for each watched key: to be
        called in a thread. Raises as `switch`."""
        with self._watch_lock, _explained("watching packets"):
            if wanted is None:
                self._set_control(None, _NO_WATCH)
                self._tap.stop()
                return
            if self._watch[0] != wanted.snap_bytes:
                self._set_control(None, _NO_WATCH)
                self._tap.start(wanted.snap_bytes)
            self._replace_watched(wanted.keys)
            limits = (wanted.snap_bytes, wanted.ifindex, int(wanted.everything), wanted.flow_bits, wanted.port_bits)
            self._set_control(None, limits)

    def fetch_packets(self) -> tuple[list[WatchedPacket], int]:
        """Packets of the watch since the last call, at most as many as the limits of model.packets allow; how many
        more there were. May take milliseconds: to be called in a thread."""
        with self._watch_lock:
            self._budget.fill(time.monotonic())
            return self._tap.read(self._budget)

    def _set_control(self, active: int | None, watch: tuple[int, int, int, int, int]) -> None:
        """`active` None: as it is."""
        with self._control_lock:
            self._active = self._active if active is None else active
            self._watch = watch
            self._maps["control"].update(_CONTROL_KEY, _CONTROL.pack(self._active, 0, *watch))

    def _replace_watched(self, keys: bytes) -> None:
        """Where both fit, new keys first, so that what stays watched is not missed in between."""
        watched = self._maps["watched"]
        wanted = {keys[start : start + WATCH_KEY.itemsize] for start in range(0, len(keys), WATCH_KEY.itemsize)}
        known = set(watched.keys())
        obsolete = known - wanted
        if len(known | wanted) > watched.definition.max_entries:
            self._delete_watched(obsolete)
            obsolete = set()
        for key in wanted - known:
            watched.update(key, bytes(8))
        self._delete_watched(obsolete)

    def _delete_watched(self, keys: set[bytes]) -> None:
        for key in keys:
            self._maps["watched"].delete(key)

    def run_statistics(self) -> RunStatistics:
        """Runs of the program and their time, for measurements (sysctl kernel.bpf_stats_enabled)."""
        with _explained("run statistics"):
            return self._program.statistics()

    def close(self) -> None:
        """Frees socket, program and maps."""
        with self._lock, self._watch_lock:
            self._ended = None
            self._socket.close()
            self._program.close()
            for item in self._maps.values():
                item.close()
