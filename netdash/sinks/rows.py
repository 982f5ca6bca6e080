"""Tables of a snapshot as typed rows: what JSON Lines and CSV write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from netdash.model.moments import iso_time
from netdash.model.protocols import (
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    PORT_PROTOCOLS,
    TCP,
    protocol_name,
    state_name,
)
from netdash.model.sanitize import sanitize
from netdash.model.snapshot import Interface, InterfaceProtocols, Layer, Process, Snapshot
from netdash.model.stations import NO_STATION, mac_text
from netdash.model.tables import (
    ATTRIBUTION_NAMES,
    FLOW_ECHO,
    FLOW_FRAGMENT,
    FLOW_OVERFLOW,
    NO_SSTHRESH,
    SOCKET_TIMERS,
    Attribution,
    address_text,
)
from netdash.sinks.row_types import (
    FlowRow,
    InterfaceFacts,
    InterfaceRow,
    ProcessRow,
    ProtocolsRow,
    SizeRow,
    SocketRow,
    StationRow,
)

T = TypeVar("T")

IPV4: Final = 4
"""Family of IPv4 sockets in SOCKET_ROW."""

_ADDRESSES_KEPT: Final = 262_144
"""Both ends of as many flows as the flow table holds."""


def interface_names(snapshot: Snapshot) -> dict[int, str]:
    """Names of interfaces by index."""
    return {interface.index: sanitize(interface.name) for interface in snapshot.interfaces}


def process_names(snapshot: Snapshot) -> dict[int, str]:
    """Names of processes by pid; of several that had the pid one after another, the last."""
    return {p.pid: sanitize(p.name) for p in sorted(snapshot.processes, key=lambda p: p.start_ticks)}


def interface_facts(interface: Interface) -> InterfaceFacts:
    """What is known of an interface before the first interval is over."""
    i = interface
    return InterfaceFacts(
        name=sanitize(i.name),
        index=i.index,
        kind=sanitize(i.kind),
        state=sanitize(i.state),
        speed_bps=i.speed_bps,
        mtu=i.mtu,
        mac=None if i.mac is None else sanitize(i.mac),
        addresses=[sanitize(address) for address in i.addresses],
        master=None if i.master is None else sanitize(i.master),
    )


def interface_row(interface: Interface) -> InterfaceRow:
    """One interface with its figures."""
    i = interface
    facts = msgspec.structs.asdict(interface_facts(i))
    return InterfaceRow(
        **facts,
        rx_bytes=i.rx_bytes,
        tx_bytes=i.tx_bytes,
        rx_packets=i.rx_packets,
        tx_packets=i.tx_packets,
        rx_errors=i.rx_errors,
        tx_errors=i.tx_errors,
        rx_dropped=i.rx_dropped,
        tx_dropped=i.tx_dropped,
        rx_multicast=i.rx_multicast,
        collisions=i.collisions,
    )


def process_row(process: Process) -> ProcessRow:
    """One process with its figures."""
    p = process
    return ProcessRow(
        pid=p.pid,
        start=iso_time(p.start),
        name=sanitize(p.name),
        command=sanitize(p.command),
        user=sanitize(p.user),
        unit=None if p.unit is None else sanitize(p.unit),
        container=None if p.container is None else sanitize(p.container),
        rx_bytes=p.rx_bytes,
        tx_bytes=p.tx_bytes,
        rx_payload=p.rx_payload,
        tx_payload=p.tx_payload,
        connections=p.connections,
        exited=p.exited,
        rx_packets=p.rx_packets,
        tx_packets=p.tx_packets,
        container_id=p.container_id,
        net_namespace=p.net_namespace,
    )


def process_moved(process: Process) -> bool:
    """False where a process is known to have moved nothing: of each direction, one of its two counters says 0."""
    p = process
    return any(
        bool(wire or payload) or (wire is None and payload is None)
        for wire, payload in ((p.rx_bytes, p.rx_payload), (p.tx_bytes, p.tx_payload))
    )


def flows_moved(flows: NDArray[np.void]) -> NDArray[np.bool_]:
    """FLOW_ROW (n) -> bool (n): as `process_moved`."""
    moved = np.zeros(len(flows), np.bool_)
    for wire, payload in (("rx_bytes", "rx_payload"), ("tx_bytes", "tx_payload")):
        moved |= (flows[wire] > 0) | (flows[payload] > 0)
        moved |= (flows[wire] < 0) & (flows[payload] < 0)
    return moved


def protocols_row(protocols: InterfaceProtocols) -> ProtocolsRow:
    """The protocols of one interface."""
    p = protocols
    return ProtocolsRow(
        ipv4=p.ipv4,
        ipv6=p.ipv6,
        tcp=p.tcp,
        udp=p.udp,
        icmp=p.icmp,
        other_ip=p.other_ip,
        non_ip=p.non_ip,
        broadcast=p.broadcast,
        multicast=p.multicast,
        sizes=[SizeRow(first=s.first, last=s.last, rx_packets=s.rx_packets, tx_packets=s.tx_packets) for s in p.sizes],
    )


def station_rows(snapshot: Snapshot) -> list[StationRow] | None:
    """All stations; None where packets are not counted."""
    if snapshot.mode.layer is not Layer.WIRE:
        return None
    stations = snapshot.stations
    interfaces = interface_names(snapshot)
    macs = [None if mac == NO_STATION else mac_text(mac) for mac in stations["mac"].copy().view("V6").ravel().tolist()]
    places = [interfaces.get(index) for index in stations["ifindex"].tolist()]
    figures = [_optional(stations[name], stations[name] >= 0) for name in StationRow.__struct_fields__[2:]]
    return [StationRow(*row) for row in zip(places, macs, *figures, strict=True)]


class AddressTexts:
    """Text of packed addresses, remembered: the same few thousand come every interval."""

    def __init__(self) -> None:
        self._texts: dict[bytes, str] = {}

    def column(self, addresses: NDArray[np.uint8]) -> list[str]:
        """(n, 16) -> n texts; all zero is the unspecified address of IPv6, "::"."""
        if len(self._texts) > _ADDRESSES_KEPT:
            self._texts.clear()
        self._texts[bytes(16)] = "::"
        packed: list[bytes] = np.ascontiguousarray(addresses).view("V16").ravel().tolist()
        texts = self._texts
        for address in set(packed).difference(texts):
            texts[address] = address_text(address)
        return [texts[address] for address in packed]


def flow_rows(snapshot: Snapshot, addresses: AddressTexts) -> Iterator[FlowRow]:
    """The flows that moved something in the interval. Columns first: one Python object a field, no NumPy scalars."""
    flows = snapshot.flows[flows_moved(snapshot.flows)]
    if not len(flows):
        return iter(())
    protocol, flags = flows["protocol"], flows["flags"]
    fragment, overflow = (flags & FLOW_FRAGMENT) != 0, (flags & FLOW_OVERFLOW) != 0
    addressed = np.isin(flows["ethertype"], (ETHERTYPE_IPV4, ETHERTYPE_IPV6, 0)) & ~overflow
    has_ports = addressed & ~fragment & np.isin(protocol, tuple(PORT_PROTOCOLS))
    # An echo's identifier stands as the port of the side that asks; the other side has none.
    echo = addressed & ((flags & FLOW_ECHO) != 0)
    owned = flows["pid"] >= 0
    has_socket = (protocol == TCP) & (flows["state"] != 0)
    pids = _optional(flows["pid"], owned)
    interfaces, processes = interface_names(snapshot), process_names(snapshot)
    columns = (
        [interfaces.get(index) for index in flows["ifindex"].tolist()],
        _where(_protocol_names(flows), ~overflow),
        _optional(flows["vlan"] & 0xFFF, flows["vlan"] != 0),
        _where(addresses.column(flows["local"]), addressed),
        _optional(flows["local_port"], has_ports | (echo & (flows["local_port"] != 0))),
        _where(addresses.column(flows["remote"]), addressed),
        _optional(flows["remote_port"], has_ports | (echo & (flows["remote_port"] != 0))),
        *(
            _optional(flows[name], flows[name] >= 0)
            for name in ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_payload", "tx_payload")
        ),
        pids,
        [None if pid is None else processes.get(pid) for pid in pids],
        _attribution_names(flows["attribution"]),
        _state_names(flows),
        _optional(flows["rtt_us"] / 1000, flows["rtt_us"] != 0),
        _optional(flows["retransmits"], has_socket),
        overflow.tolist(),
        fragment.tolist(),
    )
    return map(FlowRow, *columns)


def socket_rows(snapshot: Snapshot, addresses: AddressTexts) -> Iterator[SocketRow]:
    """All sockets; a wildcard address is "0.0.0.0" or "::", a socket without a peer has no remote."""
    sockets = snapshot.sockets
    if not len(sockets):
        return iter(())
    info = sockets["has_info"] != 0
    paced = info & (sockets["pacing_rate_bytes"] != 0)
    peer = (sockets["remote_port"] != 0) | sockets["remote"].any(axis=1)
    wildcard_ipv4 = ~sockets["local"].any(axis=1) & (sockets["family"] == IPV4)
    pids = _optional(sockets["pid"], sockets["pid"] >= 0)
    interfaces, processes = interface_names(snapshot), process_names(snapshot)
    local = [
        "0.0.0.0" if wildcard else text
        for text, wildcard in zip(addresses.column(sockets["local"]), wildcard_ipv4.tolist(), strict=True)
    ]
    columns = (
        _protocol_names(sockets),
        _state_names(sockets),
        local,
        sockets["local_port"].tolist(),
        _where(addresses.column(sockets["remote"]), peer),
        _optional(sockets["remote_port"], peer),
        [interfaces.get(index) for index in sockets["ifindex"].tolist()],
        sockets["rqueue"].tolist(),
        sockets["wqueue"].tolist(),
        sockets["uid"].tolist(),
        pids,
        [None if pid is None else processes.get(pid) for pid in pids],
        sockets["inode"].tolist(),
        sockets["cookie"].tolist(),
        *(_optional(sockets[name], sockets[name] >= 0) for name in ("rx_payload", "tx_payload")),
        *(_optional(sockets[name], info) for name in ("rx_payload_total", "tx_payload_total")),
        *(
            _optional(sockets[name] / 1000, info & (sockets[name] != 0))
            for name in ("rtt_us", "rttvar_us", "min_rtt_us")
        ),
        *(_optional(sockets[name], info) for name in ("cwnd", "mss", "retransmits", "unacked", "lost")),
        [None if rate is None else rate * 8 for rate in _optional(sockets["delivery_rate_bytes"], info)],
        sockets["drops"].tolist(),
        *_timers(sockets),
        _optional(sockets["rto_us"] / 1000, info & (sockets["rto_us"] != 0)),
        _optional(sockets["ssthresh"], info & (sockets["ssthresh"] < NO_SSTHRESH)),
        _optional(sockets["pmtu"], info & (sockets["pmtu"] != 0)),
        [None if rate is None else rate * 8 for rate in _optional(sockets["pacing_rate_bytes"], paced)],
        *(_optional(sockets[name], info) for name in ("segments_in", "segments_out", "not_sent_bytes", "resent_bytes")),
        *(_optional(sockets[f"{name}_us"] / 1000, info) for name in ("busy", "rwnd_limited", "sndbuf_limited")),
    )
    return map(SocketRow, *columns)


def _timers(sockets: NDArray[np.void]) -> tuple[list[str | None], list[int | None]]:
    """Words of ss(8) and milliseconds, None where no timer runs."""
    numbers = np.minimum(sockets["timer"], len(SOCKET_TIMERS) - 1).tolist()
    return [SOCKET_TIMERS[number] or None for number in numbers], _optional(sockets["timer_ms"], sockets["timer"] != 0)


def _optional(values: NDArray[np.generic], known: NDArray[np.bool_]) -> list[int | None]:
    """A column as Python numbers, None where it is not known."""
    if known.all():
        return [*values.tolist()]
    column = values.astype(np.object_)
    column[~known] = None
    result: list[int | None] = column.tolist()
    return result


def _where(values: list[T], known: NDArray[np.bool_]) -> list[T | None]:
    if known.all():
        return [*values]
    return [value if is_known else None for value, is_known in zip(values, known.tolist(), strict=True)]


def _protocol_names(table: NDArray[np.void]) -> list[str]:
    protocols = table["protocol"].astype(np.uint32)
    names = table.dtype.names or ()
    keys = (protocols | table["ethertype"].astype(np.uint32) << 8 if "ethertype" in names else protocols).tolist()
    texts = {key: protocol_name(key & 0xFF, key >> 8) for key in set(keys)}
    return [texts[key] for key in keys]


def _state_names(table: NDArray[np.void]) -> list[str | None]:
    keys = (table["protocol"].astype(np.uint32) << 8 | table["state"]).tolist()
    texts = {key: state_name(key >> 8, key & 0xFF) for key in set(keys)}
    return [texts[key] for key in keys]


def _attribution_names(values: NDArray[np.uint8]) -> list[str]:
    names = dict(enumerate(ATTRIBUTION_NAMES))
    nobody = ATTRIBUTION_NAMES[Attribution.NONE]
    return [names.get(value, nobody) for value in values.tolist()]
