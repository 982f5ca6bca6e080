"""The interfaces of a capture file as rows of a snapshot; their counters are what was counted of the packets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netdash.kernel.raw_flow import PACKET_MULTICAST, PACKET_OUTGOING, RawCounts
from netdash.model.sanitize import sanitize
from netdash.model.select import InterfaceSelection
from netdash.model.snapshot import Interface
from netdash.sources.capture.link_layer import LOOP, NULL
from netdash.sources.capture.records import NAME_LIMIT, CapturedInterface


def interface_rows(
    interfaces: Sequence[CapturedInterface], selection: InterfaceSelection, raw: RawCounts | None
) -> tuple[Interface, ...]:
    """One row each, of those that are meant; `raw` None = without figures. Errors and drops are not in the file."""
    size = len(interfaces) + 1
    figures = np.zeros((5, size), np.int64)
    if raw is not None:
        keys, values = raw.keys, raw.values
        outgoing = keys["packet_type"] == PACKET_OUTGOING
        multicast = keys["packet_type"] == PACKET_MULTICAST
        for row, (mask, name) in enumerate(
            (
                (~outgoing, "wire_bytes"),
                (outgoing, "wire_bytes"),
                (~outgoing, "wire_packets"),
                (outgoing, "wire_packets"),
                (multicast, "wire_packets"),
            )
        ):
            figures[row] = np.bincount(keys["ifindex"][mask], values[name][mask], size)[:size]
    return tuple(
        _row(index, interface, figures[:, index].tolist() if raw is not None else None)
        for index, interface in enumerate(interfaces, 1)
        if selection.matches(interface.name)
    )


def _row(index: int, interface: CapturedInterface, figures: list[int] | None) -> Interface:
    nothing: list[int | None] = [None] * 5
    rx_bytes, tx_bytes, rx_packets, tx_packets, rx_multicast = figures or nothing
    return Interface(
        name=sanitize(interface.name, NAME_LIMIT),
        index=index,
        kind="loopback" if interface.link_type in (NULL, LOOP) else "capture",
        state="unknown",
        speed_bps=None,
        mtu=0,
        mac=None,
        addresses=(),
        master=None,
        rx_bytes=rx_bytes,
        tx_bytes=tx_bytes,
        rx_packets=rx_packets,
        tx_packets=tx_packets,
        rx_errors=None,
        tx_errors=None,
        rx_dropped=None,
        tx_dropped=None,
        rx_multicast=rx_multicast,
        collisions=None,
    )
