"""The layers that each kind of figure can come from, tried from the best down; what fails is said with its remedy."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field

from netdash.collector.exact import ExactLayer
from netdash.collector.hooks import HooksLayer
from netdash.collector.moves import TrafficLayer
from netdash.errors import NetdashError, NotPermittedError, NotSupportedError, RefusedError
from netdash.kernel.bpf_counter import BpfPacketCounter
from netdash.kernel.capabilities import effective_capabilities
from netdash.kernel.capture_filter import CaptureFilter
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
    traffic: TrafficLayer | None
    """The same as `owners` where the kernel counts by process."""
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def needed_capabilities(self) -> frozenset[str]:
        """What reading these layers takes, once they are open."""
        needed = set()
        if self.processes == "scan" or (isinstance(self.traffic, HooksLayer) and self.traffic.scans):
            needed |= {"CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"}
        if (self.flows == "ebpf" or self.traffic is not None) and not _maps_need_no_privilege():
            needed.add("CAP_BPF")
        return frozenset(needed)


def _maps_need_no_privilege() -> bool:
    """Since Linux 5.19 an open map is used by its descriptor alone."""
    numbers = platform.release().split("-")[0].split(".")
    return tuple(int(n) for n in numbers[:2] if n.isdigit()) >= (5, 19)


def open_layers(max_flows: int, refused: frozenset[str] = frozenset(), capture: CaptureFilter | None = None) -> Layers:
    """Opens the best layer of each kind. `refused`: layers that tests rule out ("ebpf", "ring", "exact", "hooks")."""
    for_flows: list[NetdashError] = []
    for_processes: list[NetdashError] = []
    notes: list[str] = []
    flows, counter = _open_counter(max_flows, refused, for_flows, notes, capture)
    opened = _open_traffic(refused, for_processes, notes)
    if opened is not None:
        processes, traffic = opened
        reasons = one_note_a_cause([*for_flows, *for_processes])
        return Layers(flows, counter, processes, traffic, traffic, (*reasons, *notes))
    owners = SocketOwners()
    if owners.readable_all:
        reasons = one_note_a_cause([*for_flows, *for_processes])
        return Layers(flows, counter, "scan", owners, None, (*reasons, *notes))
    # Without privilege at all, one note on processes says enough.
    notes.append("processes of other users are not shown: needs CAP_BPF and CAP_PERFMON; run with sudo")
    return Layers(flows, counter, "own", owners, None, (*one_note_a_cause(for_flows), *notes))


def one_note_a_cause(reasons: list[NetdashError]) -> tuple[str, ...]:
    """What each layer that did not open says; those that were refused alike say it together, with the last remedy."""
    notes: dict[str, str] = {}
    subjects: dict[str, list[str]] = {}
    for reason in reasons:
        if isinstance(reason, RefusedError):
            subjects.setdefault(reason.cause, []).append(reason.subject)
            *most, last = subjects[reason.cause]
            together = f"{', '.join(most)} and {last}" if most else last
            notes[reason.cause] = str(RefusedError(together, reason.cause, reason.remedy))
        else:
            notes[str(reason)] = str(reason)
    return tuple(notes.values())


def _open_traffic(
    refused: frozenset[str], reasons: list[NetdashError], notes: list[str]
) -> tuple[ProcessLayer, TrafficLayer] | None:
    """The best layer in which the kernel counts by process; None where it does not."""
    layers: tuple[tuple[ProcessLayer, type[ExactLayer] | type[HooksLayer]], ...] = (
        ("exact", ExactLayer),
        ("hooks", HooksLayer),
    )
    for name, layer in layers:
        extra: list[str] = []
        try:
            if name in refused:
                raise NotSupportedError(f"counting by process ({name}) is switched off")
            traffic = layer.open(current_namespace_inode(), extra)
        except (NotPermittedError, NotSupportedError) as error:
            reasons.append(error)
        else:
            # Where hooks have to do, the reason says what is missing already.
            notes.extend(extra if name == "exact" else ())
            return name, traffic
    return None


def _open_counter(
    max_flows: int,
    refused: frozenset[str],
    reasons: list[NetdashError],
    notes: list[str],
    capture: CaptureFilter | None,
) -> tuple[FlowLayer, PacketCounter | None]:
    if "ebpf" not in refused:
        try:
            return "ebpf", BpfPacketCounter.open(max_flows, capture)
        except (NotPermittedError, NotSupportedError) as error:
            reasons.append(error)
    if "ring" not in refused:
        try:
            ring = RingPacketCounter.open(max_flows, capture=capture)
        except (NotPermittedError, NotSupportedError) as error:
            reasons.append(error)
        else:
            notes.extend(ring.notes)
            return "ring", ring
    remedy = "needs CAP_NET_RAW (and CAP_BPF); run with sudo"
    if reasons and "CAP_NET_RAW" in effective_capabilities():
        remedy = str(reasons[0])
    reasons.clear()
    notes.append(
        "packets are not counted, TCP connections show the payload of their own counters, UDP and the rest no rates: "
        + remedy
    )
    return "sockets", None
