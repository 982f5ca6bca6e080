"""Protocols as text: iptraf-ng's general and detailed interface statistics, and the kernel's counters."""

from __future__ import annotations

from typing import Final

import numpy as np

from netdash.model.snapshot import InterfaceProtocols, Snapshot, Traffic
from netdash.model.stations import NO_STATION, mac_text, own_macs, station_name
from netdash.model.units import NOT_KNOWN, Units
from netdash.sinks.rows import interface_names
from netdash.sinks.text_layout import clean, more, per_second, rate
from netdash.sinks.text_table import table

_DETAILED: Final = (
    "",
    "Total packets",
    "Total bytes",
    "In packets",
    "In bytes",
    "Out packets",
    "Out bytes",
)

_GENERAL: Final = (
    "Iface",
    "Total",
    "IPv4",
    "IPv6",
    "TCP",
    "UDP",
    "ICMP",
    "Other IP",
    "Non-IP",
    "Broadcast",
    "Multicast",
    "Activity",
)


_STATION: Final = ("Station", "Iface", "Who", "From pkts", "IP", "bytes", "rate", "To pkts", "IP", "bytes", "rate")
_TOP_STATIONS: Final = 50


def protocols_summary_text(snapshot: Snapshot, units: Units) -> list[str]:
    """One row an interface that carried any: bytes of each protocol, in and out together."""
    rows = []
    for name, protocols in _busy(snapshot):
        total = _total(protocols)
        volumes = [units.volume(t.rx_bytes + t.tx_bytes) for _, t in _kinds(protocols)]
        rows.append((clean(name), *volumes, rate(units, total.rx_bytes + total.tx_bytes, snapshot.interval)))
    return [
        f"Protocols  (wire bytes of the interval, in and out; activity: {units.rate_words})",
        *(table(_GENERAL, rows, (0,), [9] * len(_GENERAL)) if rows else ["  none"]),
    ]


def protocols_text(snapshot: Snapshot, units: Units) -> list[str]:
    """Every interface that carried a packet in detail, then what the kernel counted."""
    lines = []
    for name, protocols in _busy(snapshot):
        lines += [*_interface_text(clean(name), protocols, units, snapshot.interval), ""]
    stations = _stations_text(snapshot, units)
    return [*(lines or ["No interface carried a packet.", ""]), *stations, *_counters_text(snapshot)]


def _busy(snapshot: Snapshot) -> list[tuple[str, InterfaceProtocols]]:
    return [(name, each) for name, each in snapshot.protocols.items() if any(_traffic_counts(_total(each)))]


def _interface_text(name: str, protocols: InterfaceProtocols, units: Units, interval: float) -> list[str]:
    rows = [(f"{kind}:", *map(str, _traffic_counts(traffic))) for kind, traffic in _kinds(protocols)]
    total = _total(protocols)
    activity = [
        (f"{label}:", rate(units, size, interval), per_second(packets, interval))
        for label, size, packets in (
            ("Total", total.rx_bytes + total.tx_bytes, total.rx_packets + total.tx_packets),
            ("Incoming", total.rx_bytes, total.rx_packets),
            ("Outgoing", total.tx_bytes, total.tx_packets),
        )
    ]
    lines = [
        f"Detailed statistics for interface {name}  (wire packets and bytes of the interval)",
        *table(_DETAILED, rows, (0,), [10, 13, 13, 12, 12, 12, 12]),
        "",
        *table(("Rates:", units.rate_unit, "packets/s"), activity, (0,), [10, 13, 13]),
    ]
    if any(size.rx_packets or size.tx_packets for size in protocols.sizes):
        sizes = [
            (f"{s.first} to {s.last}:" if s.last is not None else f"{s.first}+:", str(s.rx_packets), str(s.tx_packets))
            for s in protocols.sizes
        ]
        lines += ["", *table(("Packet size (bytes)", "In", "Out"), sizes, (0,), [20, 12, 12])]
    return lines


def _stations_text(snapshot: Snapshot, units: Units) -> list[str]:
    """The stations that moved most, as iptraf-ng's LAN monitor lists them; nothing where there is none."""
    stations = snapshot.stations
    if not len(stations):
        return []
    order = np.argsort(-(stations["rx_bytes"] + stations["tx_bytes"]), kind="stable")[:_TOP_STATIONS]
    names, own = interface_names(snapshot), own_macs(snapshot.interfaces)
    rows = [_station_row(station, names, own, units, snapshot.interval) for station in stations[order]]
    return [
        f"Stations  (wire packets and bytes from and to each MAC address; rates: {units.rate_words})",
        *table(_STATION, rows, (0, 1, 2), [17, 8, 9, 9, 7, 11, 7, 9, 7, 11, 7]),
        *more(len(rows), len(stations), "stations"),
        "",
    ]


def _station_row(
    station: np.void, names: dict[int, str], own: dict[bytes, str], units: Units, interval: float
) -> tuple[str, ...]:
    mac = station["mac"].tobytes()
    figures: list[str] = []
    for way in ("rx", "tx"):
        ip_packets, size = int(station[f"{way}_ip_packets"]), int(station[f"{way}_bytes"])
        figures += [
            str(station[f"{way}_packets"]),
            NOT_KNOWN if ip_packets < 0 else str(ip_packets),
            str(size),
            rate(units, size, interval),
        ]
    return (
        NOT_KNOWN if mac == NO_STATION else mac_text(mac),
        names.get(int(station["ifindex"]), NOT_KNOWN),
        clean(station_name(mac, own)),
        *figures,
    )


def _counters_text(snapshot: Snapshot) -> list[str]:
    counters = [
        (clean(name), str(value), per_second(value, snapshot.interval))
        for name, value in snapshot.counters.items()
        if value
    ]
    gauges = [(clean(name), str(value)) for name, value in snapshot.gauges.items()]
    lines = ["Kernel counters  (that changed in the interval)"]
    lines += table(("Counter", "events", "per second"), counters, (0,), [24, 12, 12]) if counters else ["  none"]
    if gauges:
        lines += ["", "Kernel figures  (as they are now)", *table(("Figure", "value"), gauges, (0,), [24, 12])]
    return lines


def _kinds(protocols: InterfaceProtocols) -> tuple[tuple[str, Traffic], ...]:
    p = protocols
    return (
        ("Total", _total(p)),
        ("IPv4", p.ipv4),
        ("IPv6", p.ipv6),
        ("TCP", p.tcp),
        ("UDP", p.udp),
        ("ICMP", p.icmp),
        ("Other IP", p.other_ip),
        ("Non-IP", p.non_ip),
        ("Broadcast", p.broadcast),
        ("Multicast", p.multicast),
    )


def _total(protocols: InterfaceProtocols) -> Traffic:
    return protocols.ipv4 + protocols.ipv6 + protocols.non_ip


def _traffic_counts(traffic: Traffic) -> tuple[int, ...]:
    t = traffic
    return t.rx_packets + t.tx_packets, t.rx_bytes + t.tx_bytes, t.rx_packets, t.rx_bytes, t.tx_packets, t.tx_bytes
