"""The layers that each kind of figure can come from, tried from the best down; what fails is said with its remedy."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field

from netdash.collector.exact import ExactLayer
from netdash.errors import NotPermittedError, NotSupportedError
from netdash.kernel.bpf_counter import BpfPacketCounter
from netdash.kernel.capabilities import effective_capabilities
from netdash.kernel.namespaces import current_namespace_inode
from netdash.kernel.process_files import SocketOwners, SocketOwnership
from netdash.kernel.raw_flow import PacketCounter
from netdash.kernel.ring_counter import RingPacketCounter
from netdash.model.snapshot import FlowLayer, ProcessLayer


@dataclass(frozen=True, slots=True)
class Layers:
    """What was opened."""

    flows: FlowLayer
    counter: PacketCounter | None
    """None: flows come from the sockets' own counters."""
    processes: ProcessLayer
    owners: SocketOwnership
    exact: ExactLayer | None
    """The same as `owners` where the kernel counts by process."""
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def needed_capabilities(self) -> frozenset[str]:
        """What reading these layers takes, once they are open."""
        needed = set()
        if self.processes == "scan":
            needed |= {"CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"}
        if (self.flows == "ebpf" or self.exact is not None) and not _maps_need_no_privilege():
            needed.add("CAP_BPF")
        return frozenset(needed)


def _maps_need_no_privilege() -> bool:
    """Since Linux 5.19 an open map is used by its descriptor alone."""
    numbers = platform.release().split("-")[0].split(".")
    return tuple(int(n) for n in numbers[:2] if n.isdigit()) >= (5, 19)


def open_layers(max_flows: int, refused: frozenset[str] = frozenset()) -> Layers:
    """Opens the best layer of each kind. `refused`: layers that tests rule out ("ebpf", "ring", "exact")."""
    notes: list[str] = []
    flows, counter = _open_counter(max_flows, refused, notes)
    if "exact" not in refused:
        try:
            exact = ExactLayer.open(current_namespace_inode(), notes)
        except (NotPermittedError, NotSupportedError) as error:
            reason = str(error)
        else:
            return Layers(flows, counter, "exact", exact, exact, tuple(notes))
    else:
        reason = "exact counting by process is switched off"
    owners = SocketOwners()
    if owners.readable_all:
        # Without privilege at all, the one note below says enough.
        notes.append(reason)
        return Layers(flows, counter, "scan", owners, None, tuple(notes))
    notes.append("processes of other users are not shown: needs CAP_BPF and CAP_PERFMON; run with sudo")
    return Layers(flows, counter, "own", owners, None, tuple(notes))


def _open_counter(max_flows: int, refused: frozenset[str], notes: list[str]) -> tuple[FlowLayer, PacketCounter | None]:
    reasons: list[str] = []
    if "ebpf" not in refused:
        try:
            return "ebpf", BpfPacketCounter.open(max_flows)
        except (NotPermittedError, NotSupportedError) as error:
            reasons.append(str(error))
    if "ring" not in refused:
        try:
            ring = RingPacketCounter.open(max_flows)
        except (NotPermittedError, NotSupportedError) as error:
            reasons.append(str(error))
        else:
            notes.extend(reasons)
            notes.extend(ring.notes)
            return "ring", ring
    if "CAP_NET_RAW" in effective_capabilities():
        notes.extend(reasons)
    notes.append(
        "packets are not counted, TCP connections show the payload of their own counters, UDP and the rest no rates: "
        "needs CAP_NET_RAW (and CAP_BPF); run with sudo"
    )
    return "sockets", None
