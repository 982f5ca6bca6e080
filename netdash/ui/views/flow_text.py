"""How ends of connections, their processes and their protocols are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from rich.cells import set_cell_size

from netdash.model.protocols import (
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ICMP,
    ICMPV6,
    PORT_PROTOCOLS,
    protocol_name,
)
from netdash.model.tables import (
    FLOW_ECHO,
    FLOW_FRAGMENT,
    FLOW_OVERFLOW,
    IPV4_PREFIX,
    UNKNOWN,
    Attribution,
    address_text,
)
from netdash.ui.scope import ConnectionScope
from netdash.ui.text import width_of
from netdash.ui.theme import Tone
from netdash.ui.views.flow_groups import ALL_APART, NETWORK_BITS, Group, Joining
from netdash.ui.widgets.line_table import Cell

if TYPE_CHECKING:
    from netdash.model.snapshot import Process
    from netdash.ui.state import DashboardState, Resolver

_LONGEST_END: Final = 60

VLAN_PRESENT: Final = 0x1000

_PLAIN_NAME: Final = re.compile(r"[\w.@-]+")
"""An interface's name that a filter takes without quotes."""

_MARKS: Final = {Attribution.LISTENER: "~", Attribution.NONE: "?"}
_HOW: Final = {
    Attribution.NONE: "not known",
    Attribution.EXACT: "counted for it",
    Attribution.SOCKET: "owns the socket",
    Attribution.LISTENER: "~ owns the port",
    Attribution.FORWARDED: "no local end",
    Attribution.KERNEL: "kernel's own",
}

_ICMP_MESSAGES: Final[Mapping[tuple[int, int, int | None], str]] = {
    (ICMP, 3, 0): "net unreachable",
    (ICMP, 3, 1): "host unreachable",
    (ICMP, 3, 2): "protocol unreachable",
    (ICMP, 3, 3): "port unreachable",
    (ICMP, 3, 4): "fragmentation needed",
    (ICMP, 3, None): "unreachable",
    (ICMP, 5, None): "redirect",
    (ICMP, 9, None): "router advert",
    (ICMP, 10, None): "router solicit",
    (ICMP, 11, None): "time exceeded",
    (ICMP, 12, None): "parameter problem",
    (ICMP, 13, None): "timestamp",
    (ICMP, 14, None): "timestamp reply",
    (ICMPV6, 1, 4): "port unreachable",
    (ICMPV6, 1, None): "unreachable",
    (ICMPV6, 2, None): "packet too big",
    (ICMPV6, 3, None): "time exceeded",
    (ICMPV6, 4, None): "parameter problem",
    (ICMPV6, 130, None): "group query",
    (ICMPV6, 131, None): "group report",
    (ICMPV6, 132, None): "group done",
    (ICMPV6, 133, None): "router solicit",
    (ICMPV6, 134, None): "router advert",
    (ICMPV6, 135, None): "neighbour solicit",
    (ICMPV6, 136, None): "neighbour advert",
    (ICMPV6, 137, None): "redirect",
    (ICMPV6, 143, None): "group report",
}
"""Protocol, type and code (None: any other) of ICMP messages: RFC 792, RFC 4443, RFC 4861, RFC 2710, RFC 3810."""


@runtime_checkable
class ServiceNames(Protocol):
    """A resolver that also knows the names of ports."""

    def service(self, port: int, protocol: int) -> str | None:
        """The name of a port in services(5); None where it has none."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What turns numbers into names: who has which pid and index, and what the user wants to read."""

    resolver: Resolver | None = None
    names: bool = False
    services: bool = False
    by: Joining = ALL_APART
    processes: Mapping[int, Process] = field(default_factory=dict)
    interfaces: Mapping[int, str] = field(default_factory=dict)
    wall_minus_monotonic: float = 0.0
    """Seconds to add to the monotonic clock for the time of day."""

    @classmethod
    def of(cls, state: DashboardState, by: Joining = ALL_APART) -> Labels:
        """Labels from the newest snapshot and the user's settings."""
        snapshot = state.snapshot
        if snapshot is None:
            return cls()
        return cls(
            state.resolver,
            state.names,
            state.services,
            by,
            state.histories.processes.known,
            {interface.index: interface.name for interface in snapshot.interfaces},
            snapshot.time - snapshot.monotonic_ns / 1e9,
        )

    def host(self, address: bytes) -> str:
        """The host's name where it is wanted and known, else the address."""
        if self.names and self.resolver is not None:
            name = self.resolver.name(address)
            if name is not None:
                return name
        return address_text(address)

    def port(self, port: int, protocol: int) -> str:
        """A port with its colon, or its service's name; "" where ports are not shown."""
        if not self.by.ports or protocol not in PORT_PROTOCOLS:
            return ""
        if self.services and isinstance(self.resolver, ServiceNames):
            return f":{self.resolver.service(port, protocol) or port}"
        return f":{port}"

    def interface(self, ifindex: int) -> str:
        """An interface's name; "#7" for one that is gone."""
        if not ifindex:
            return "several"
        return self.interfaces.get(ifindex, f"#{ifindex}")

    def process(self, pid: int, last_seen_ns: int) -> str:
        """A process with its pid. One that started after the flow's last packet is not the flow's: then the pid alone
        is written."""
        known = self.processes.get(pid)
        if known is None or known.start > last_seen_ns / 1e9 + self.wall_minus_monotonic + 1.0:
            return f"({pid})"
        return f"{known.name} ({pid})"

    def process_now(self, pid: int) -> str:
        """A process that lives now, with its pid."""
        known = self.processes.get(pid)
        return f"{known.name} ({pid})" if known else f"({pid})"


def end_text(host: str, port: str, width: int) -> str:
    """An address with its port in `width` cells: of a long address the middle goes, of a long name the end."""
    is_ipv6 = ":" in host
    left, right = ("[", "]") if is_ipv6 and port else ("", "")
    room = width - len(port) - len(left) - len(right)
    if width_of(host) > room:
        if is_ipv6 and room >= 9:
            tail = (room - 1) // 2
            host = f"{host[: room - 1 - tail]}…{host[-tail:]}"
        elif room >= 2:
            host = f"{set_cell_size(host, room - 1)}…"
    return f"{left}{host}{right}{port}"


def flow_end(flow: np.void, side: str, labels: Labels, width: int) -> str:
    """The local or the remote end of a flow (FLOW_ROW); `side`: "local" or "remote"."""
    flags = int(flow["flags"])
    if flags & FLOW_OVERFLOW:
        return f"other flows, {labels.interface(int(flow['ifindex']))}" if side == "local" else "without their own row"
    if not getattr(labels.by, side):
        return "*"
    address = flow[side].tobytes()
    if int(flow["ethertype"]) not in (ETHERTYPE_IPV4, ETHERTYPE_IPV6) and not any(address):
        return f"{protocol_name(0, int(flow['ethertype']))} frames" if side == "local" else "(not IP)"
    port = "" if flags & FLOW_FRAGMENT else labels.port(int(flow[f"{side}_port"]), int(flow["protocol"]))
    return end_text(labels.host(address), port, width)


def group_text(flow: np.void, labels: Labels, width: int) -> str:
    """What a row stands for whose flows are grouped: a remote host, a network, a port with its protocol."""
    if int(flow["flags"]) & FLOW_OVERFLOW:
        return "without their own row"
    protocol = int(flow["protocol"])
    if int(flow["ethertype"]) not in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
        return f"{protocol_name(0, int(flow['ethertype']))} frames"
    if labels.by.group is Group.PORTS:
        port = int(flow["remote_port"])
        if protocol not in PORT_PROTOCOLS or not port:
            return protocol_text(flow)
        return f"{labels.port(port, protocol)[1:]} {protocol_text(flow)}"
    address = flow["remote"].tobytes()
    if labels.by.group is Group.NETWORKS:
        return end_text(f"{address_text(address)}/{_network_bits(flow)}", "", width)
    return end_text(labels.host(address), "", width)


def connection_scope(flow: np.void, labels: Labels) -> ConnectionScope:
    """A flow as what the dashboard is limited to, its end with address and number."""
    plain = replace(labels, names=False, services=False, by=ALL_APART)
    return ConnectionScope(
        int(flow["id"]),
        labels.interface(int(flow["ifindex"])),
        int(flow["vlan"]),
        int(flow["protocol"]),
        flow["local"].tobytes(),
        int(flow["local_port"]),
        flow["remote"].tobytes(),
        int(flow["remote_port"]),
        flow_end(flow, "remote", plain, _LONGEST_END),
    )


def row_words(flow: np.void, by: Joining, labels: Labels) -> str:
    """What the flows of a row have in common, in the words of a filter: "host:203.0.113.9"."""
    protocol, port = f"proto:{protocol_text(flow)}", int(flow["remote_port"])
    addressed = int(flow["ethertype"]) in (ETHERTYPE_IPV4, ETHERTYPE_IPV6) or flow["remote"].any()
    remote = _plain_address(flow["remote"])
    match by.group:
        case Group.HOSTS if addressed:
            return f"host:{remote}"
        case Group.NETWORKS if addressed:
            # A network does not hold the address of nobody, which stands in the row of its neighbours.
            return f"net:{remote}/{_network_bits(flow)}" + ("" if flow["remote"].any() else ",::/128")
        case Group.PORTS if port:
            return f"port:{port} {protocol}"
        case Group.HOSTS | Group.NETWORKS | Group.PORTS:
            return protocol
    words = []
    for side, word in (("local", "sport"), ("remote", "dport")):
        if getattr(by, side) and flow[side].any():
            words.append(f"host:{_plain_address(flow[side])}")
        if flow[f"{side}_port"] and int(flow["protocol"]) in PORT_PROTOCOLS:
            words.append(f"{word}:{flow[f'{side}_port']}")
    return " ".join([*words, protocol, *_interface_words(labels.interface(int(flow["ifindex"])))])


def _plain_address(packed: NDArray[np.uint8]) -> str:
    return address_text(packed.tobytes()) if packed.any() else "::"


def _interface_words(name: str) -> list[str]:
    """None where the language of filters has no way to write the name."""
    if '"' in name:
        return []
    return [f"iface:{name}" if _PLAIN_NAME.fullmatch(name) else f'iface:"{name}"']


def _network_bits(flow: np.void) -> int:
    return NETWORK_BITS[4 if flow["remote"].tobytes()[:12] == IPV4_PREFIX else 6]


def protocol_text(flow: np.void) -> str:
    """A flow's protocol."""
    if int(flow["flags"]) & FLOW_OVERFLOW:
        return "all kinds"
    return protocol_name(int(flow["protocol"]), int(flow["ethertype"]))


def message_text(flow: np.void) -> str:
    """What is known beside the protocol: the kind of an ICMP message ("echo id 7"), or that a flow is of fragments."""
    flags, protocol = int(flow["flags"]), int(flow["protocol"])
    if flags & FLOW_OVERFLOW:
        return ""
    if flags & FLOW_FRAGMENT:
        return "fragments"
    if protocol not in (ICMP, ICMPV6):
        return ""
    if flags & FLOW_ECHO:
        return f"echo id {int(flow['local_port']) or int(flow['remote_port'])}"
    kind, code = int(flow["remote_port"]) >> 8, int(flow["remote_port"]) & 0xFF
    message = _ICMP_MESSAGES.get((protocol, kind, code)) or _ICMP_MESSAGES.get((protocol, kind, None))
    return message or f"type {kind} code {code}"


def vlan_text(flow: np.void) -> str:
    """A flow's VLAN; "" outside of one."""
    vlan = int(flow["vlan"])
    return f"vlan {vlan & 0xFFF}" if vlan & VLAN_PRESENT else ""


def attribution_of(flow: np.void) -> Attribution:
    """How the flow got its process; NONE for a number that has no meaning."""
    number = int(flow["attribution"])
    return Attribution(number) if number < len(Attribution) else Attribution.NONE


def process_cell(flow: np.void, last_seen_ns: int, labels: Labels) -> Cell:
    """A flow's process with the mark of how it was found: "~" it only owns the local
    port, "?" not known."""
    how = attribution_of(flow)
    pid = int(flow["pid"])
    if pid < UNKNOWN:
        return "several processes", Tone.NORMAL
    if pid != UNKNOWN:
        return labels.process(pid, last_seen_ns) + _MARKS.get(how, ""), Tone.ACCENT
    if how is Attribution.FORWARDED:
        return "forwarded", Tone.DIM
    if how is Attribution.KERNEL:
        return "kernel", Tone.DIM
    return "? no process", Tone.WARN


def how_text(flow: np.void) -> str:
    """In words how the flow got its process."""
    if int(flow["pid"]) < UNKNOWN or int(flow["flags"]) & FLOW_OVERFLOW:
        return ""
    return _HOW[attribution_of(flow)]
