"""The rows of JSON Lines and CSV: names, order and types of their fields, as in schema.json."""

from __future__ import annotations

import msgspec

from netdash.model.snapshot import Traffic


class InterfaceFacts(msgspec.Struct, gc=False):
    """An interface without figures."""

    name: str
    index: int
    kind: str
    state: str
    speed_bps: int | None
    mtu: int
    mac: str | None
    addresses: list[str]
    master: str | None


class InterfaceRow(msgspec.Struct, gc=False):
    """An interface and its counters, differences of the interval."""

    name: str
    index: int
    kind: str
    state: str
    speed_bps: int | None
    rx_bytes: int | None
    tx_bytes: int | None
    rx_packets: int | None
    tx_packets: int | None
    rx_errors: int | None
    tx_errors: int | None
    rx_dropped: int | None
    tx_dropped: int | None
    mtu: int
    mac: str | None
    addresses: list[str]
    master: str | None
    rx_multicast: int | None
    collisions: int | None


class ProcessRow(msgspec.Struct, gc=False):
    """A process; `start` in ISO 8601."""

    pid: int
    start: str
    name: str
    command: str
    user: str
    unit: str | None
    container: str | None
    rx_bytes: int | None
    tx_bytes: int | None
    rx_payload: int | None
    tx_payload: int | None
    connections: int
    exited: bool
    rx_packets: int | None
    tx_packets: int | None
    container_id: str | None
    net_namespace: int | None


class FlowRow(msgspec.Struct, gc=False, omit_defaults=True):
    """A flow; `overflow` and `fragment` are written only where they are true."""

    interface: str | None
    protocol: str | None
    vlan: int | None
    local: str | None
    local_port: int | None
    remote: str | None
    remote_port: int | None
    rx_bytes: int | None
    tx_bytes: int | None
    rx_packets: int | None
    tx_packets: int | None
    rx_payload: int | None
    tx_payload: int | None
    pid: int | None
    process: str | None
    attribution: str
    state: str | None
    rtt_ms: float | None
    retransmits: int | None
    overflow: bool = False
    fragment: bool = False


class SocketRow(msgspec.Struct, gc=False):
    """A socket; what struct tcp_info holds is None where the kernel gave none."""

    protocol: str
    state: str | None
    local: str
    local_port: int
    remote: str | None
    remote_port: int | None
    interface: str | None
    recv_queue: int
    send_queue: int
    uid: int
    pid: int | None
    process: str | None
    inode: int
    cookie: int
    rx_payload: int | None
    tx_payload: int | None
    rx_payload_total: int | None
    tx_payload_total: int | None
    rtt_ms: float | None
    rttvar_ms: float | None
    min_rtt_ms: float | None
    cwnd: int | None
    mss: int | None
    retransmits: int | None
    unacked: int | None
    lost: int | None
    delivery_rate_bps: int | None
    drops: int
    timer: str | None
    timer_ms: int | None
    rto_ms: float | None
    ssthresh: int | None
    pmtu: int | None
    pacing_rate_bps: int | None
    segments_in: int | None
    segments_out: int | None
    not_sent_bytes: int | None
    resent_bytes: int | None
    busy_ms: float | None
    rwnd_limited_ms: float | None
    sndbuf_limited_ms: float | None


class SizeRow(msgspec.Struct, gc=False):
    """Wire packets of `first` to `last` bytes, in JSON "from" and "to"."""

    first: int = msgspec.field(name="from")
    last: int | None = msgspec.field(name="to")
    rx_packets: int
    tx_packets: int


class StationRow(msgspec.Struct, gc=False):
    """A MAC address on an interface; of address None it is not known whose frames they are, nor which are IP."""

    interface: str | None
    mac: str | None
    rx_bytes: int | None
    tx_bytes: int | None
    rx_packets: int | None
    tx_packets: int | None
    rx_ip_packets: int | None
    tx_ip_packets: int | None


class ProtocolsRow(msgspec.Struct, gc=False):
    """What one interface carried, by protocol."""

    ipv4: Traffic
    ipv6: Traffic
    tcp: Traffic
    udp: Traffic
    icmp: Traffic
    other_ip: Traffic
    non_ip: Traffic
    broadcast: Traffic
    multicast: Traffic
    sizes: list[SizeRow]
