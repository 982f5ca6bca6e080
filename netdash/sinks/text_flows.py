"""Flows as text, in the layout of iftop -t (iftop's tui.c), with protocol, interface and process beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.flow_history import FlowHistory
from netdash.model.headline import headline_interfaces
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, ICMP, ICMPV6, PORT_PROTOCOLS, protocol_name
from netdash.model.snapshot import Layer, Snapshot
from netdash.model.tables import ATTRIBUTION_NAMES, FLOW_ECHO, FLOW_FRAGMENT, FLOW_OVERFLOW
from netdash.model.units import NOT_KNOWN, Units
from netdash.model.windows import WINDOW_SECONDS
from netdash.sinks.rows import flows_moved, interface_names, process_names
from netdash.sinks.text_layout import Names, clean, layer_words, more, rate

_HOST_WIDTH: Final = 40
"""iftop's; wider where a name or an IPv6 address with its port needs it."""

_FIGURE_WIDTH: Final = 10

_HEADING: Final = "Host name (port/service if enabled)"

_RECEIVED, _SENT = 0, 1
"""Rows of the history's figures."""

Fields = Sequence[str]


def flows_text(
    history: FlowHistory,
    snapshot: Snapshot,
    names: Names,
    units: Units,
    limit: int,
    matching: NDArray[np.bool_] | None = None,
) -> list[str]:
    """The busiest flows over 10 seconds with their rates over 2, 10 and 40 seconds, then iftop's footer.

    `matching`: rows of the history's table that are shown; None = all. The footer is of all flows either way.
    """
    table = history.table
    volume = table.totals.sum(axis=0)
    busy = np.flatnonzero(((volume > 0) | ~table.known) & (True if matching is None else matching))
    ten = table.rates[WINDOW_SECONDS.index(10)].sum(axis=0)
    top = busy[np.lexsort((table.flows["id"][busy], volume[busy], ten[busy]))[::-1][:limit]]

    def fields(row: int, direction: int) -> Fields:
        if not table.known[row]:
            return (NOT_KNOWN,) * (len(WINDOW_SECONDS) + 1)
        rates = table.rates[:, direction, row].tolist()
        return (*map(units.rate, rates), units.volume(int(table.totals[direction, row])))

    heading = (*(f"last {seconds}s" for seconds in WINDOW_SECONDS), "cumulative")
    figures = [(fields(row, _SENT), fields(row, _RECEIVED)) for row in top.tolist()]
    lines = _table(table.flows[top], heading, figures, snapshot, names)
    return [
        f"Flows  (rates: {units.rate_words}; {layer_words(snapshot.mode)})",
        *lines,
        *more(limit, len(busy), "flows"),
        *_footer(history, snapshot, units, len(lines[1])),
    ]


def flow_totals_text(total: Snapshot, names: Names, units: Units, limit: int) -> list[str]:
    """The largest flows of a run: average rate and bytes."""
    suffix = "payload" if total.mode.layer is Layer.PAYLOAD else "bytes"
    moved = total.flows[flows_moved(total.flows)]
    volume = np.maximum(moved[f"rx_{suffix}"], 0) + np.maximum(moved[f"tx_{suffix}"], 0)
    top = moved[np.lexsort((moved["id"], volume))[::-1][:limit]]

    def fields(count: int) -> Fields:
        known = None if count < 0 else count
        return rate(units, known, total.interval), units.volume(known)

    columns = top[f"tx_{suffix}"].tolist(), top[f"rx_{suffix}"].tolist()
    figures = [(fields(sent), fields(received)) for sent, received in zip(*columns, strict=True)]
    return [
        f"Flows  (average rate: {units.rate_words}; {layer_words(total.mode)})",
        *_table(top, ("average", "cumulative"), figures, total, names),
        *more(limit, len(moved), "flows"),
    ]


def _table(
    flows: NDArray[np.void],
    heading: Fields,
    figures: Sequence[tuple[Fields, Fields]],
    snapshot: Snapshot,
    names: Names,
) -> list[str]:
    """Two lines a flow: what the local end sent (=>), what it received (<=)."""
    ends = [_endpoints(flow, names) for flow in flows]
    width = max([_HOST_WIDTH, *(len(end) for pair in ends for end in pair)])
    interfaces, processes = interface_names(snapshot), process_names(snapshot)
    ruler = "-" * (5 + width + 3 + (_FIGURE_WIDTH + 1) * len(heading))
    lines = [f"   # {_HEADING:<{width}}   {_columns(heading)}  protocol, interface / process", ruler]
    for rank, (flow, (local, remote), (sent, received)) in enumerate(zip(flows, ends, figures, strict=True), 1):
        interface = interfaces.get(int(flow["ifindex"]), NOT_KNOWN)
        lines += [
            f"{rank:4d} {local:<{width}} =>{_columns(sent)}  {_protocol(flow)} {interface}",
            f"     {remote:<{width}} <={_columns(received)}  {_owner(flow, processes)}",
        ]
    return [*lines, ruler]


def _columns(fields: Fields) -> str:
    return "".join(f" {field:>{_FIGURE_WIDTH}}" for field in fields)


def _footer(history: FlowHistory, snapshot: Snapshot, units: Units, width: int) -> list[str]:
    rx, tx, both = history.totals()
    label_width = width - (_FIGURE_WIDTH + 1) * (len(WINDOW_SECONDS) + 1)
    measured = ", ".join(clean(interface.name) for interface in headline_interfaces(snapshot.interfaces))
    lines = [
        (label, _columns([units.rate(each) for each in totals.rates]))
        for label, totals in (
            ("Total send rate:", tx),
            ("Total receive rate:", rx),
            ("Total send and receive rate:", both),
        )
    ]
    peaks = _columns([units.rate(totals.peak) for totals in (tx, rx, both)])
    cumulative = _columns([units.volume(totals.total_bytes) for totals in (tx, rx, both)])
    return [
        *(f"{label:<{label_width}}{text}" for label, text in lines),
        "-" * width,
        f"{'Peak rate (sent/received/total):':<{label_width}}{peaks}",
        f"{'Cumulative (sent/received/total):':<{label_width}}{cumulative}",
        f"Totals are of: {measured or 'no interface'}",
        "=" * width,
    ]


def _endpoints(flow: np.void, names: Names) -> tuple[str, str]:
    protocol, flags = int(flow["protocol"]), int(flow["flags"])
    local, remote = flow["local"].tobytes(), flow["remote"].tobytes()
    if flags & FLOW_OVERFLOW:
        return "flows without a row of their own", "(the table was full)"
    if int(flow["ethertype"]) not in (ETHERTYPE_IPV4, ETHERTYPE_IPV6, 0):
        return "not IP", ""
    if flags & FLOW_FRAGMENT:
        return f"{names.bare_host(local)} (fragments)", names.bare_host(remote)
    if protocol in PORT_PROTOCOLS:
        ports = int(flow["local_port"]), int(flow["remote_port"])
        return names.endpoint(local, ports[0], protocol), names.endpoint(remote, ports[1], protocol)
    return names.bare_host(local), names.bare_host(remote)


def _protocol(flow: np.void) -> str:
    protocol, vlan = int(flow["protocol"]), int(flow["vlan"])
    if int(flow["flags"]) & FLOW_OVERFLOW:
        return NOT_KNOWN
    name = protocol_name(protocol, int(flow["ethertype"]))
    if protocol in (ICMP, ICMPV6) and flow["remote_port"] and not int(flow["flags"]) & FLOW_ECHO:
        name = f"{name} type {int(flow['remote_port']) >> 8}"
    return f"{name} vlan {vlan & 0xFFF}" if vlan else name


def _owner(flow: np.void, processes: dict[int, str]) -> str:
    pid, attribution = int(flow["pid"]), int(flow["attribution"])
    if pid >= 0:
        return f"{clean(processes[pid])}/{pid}" if pid in processes else f"pid {pid}"
    return ATTRIBUTION_NAMES[attribution] if 0 < attribution < len(ATTRIBUTION_NAMES) else "not attributed"
