"""Small tables for the tests of the model and the collector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from netdash.model.snapshot import Interface, Mode, Process, Snapshot
from netdash.model.tables import FLOW_ROW, SOCKET_ROW, UNKNOWN, pack_address


def flow_rows(*rows: Mapping[str, int | str]) -> NDArray[np.void]:
    """FLOW_ROW with the given columns; addresses as text; the rest as for a TCP flow without owner."""
    table = np.zeros(len(rows), FLOW_ROW)
    table["pid"] = table["rx_payload"] = table["tx_payload"] = UNKNOWN
    table["ethertype"], table["protocol"] = 0x0800, 6
    _fill(table, rows)
    return table


def socket_rows(*rows: Mapping[str, int | str]) -> NDArray[np.void]:
    """SOCKET_ROW with the given columns; the rest as for an established TCP socket without owner."""
    table = np.zeros(len(rows), SOCKET_ROW)
    table["pid"] = table["rx_payload"] = table["tx_payload"] = UNKNOWN
    table["protocol"], table["state"], table["family"] = 6, 1, 4
    _fill(table, rows)
    return table


def _fill(table: NDArray[np.void], rows: Sequence[Mapping[str, int | str]]) -> None:
    for index, row in enumerate(rows):
        for name, value in row.items():
            packed = np.frombuffer(pack_address(value), np.uint8) if isinstance(value, str) else value
            table[name][index] = packed


def interface(name: str = "eth0", index: int = 2, **figures: int | None) -> Interface:
    """An interface that moved nothing but `figures`."""
    fields = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped")
    values: dict[str, int | None] = {**dict.fromkeys((*fields, "rx_multicast", "collisions"), 0), **figures}
    return Interface(
        name=name,
        index=index,
        kind="physical",
        state="up",
        speed_bps=None,
        mtu=1500,
        mac=None,
        addresses=(),
        master=None,
        parent=None,
        **values,
    )


def process(pid: int, start_ticks: int = 1, rx_bytes: int | None = 0, tx_bytes: int | None = 0) -> Process:
    """A process with these figures."""
    return Process(
        pid=pid,
        start_ticks=start_ticks,
        start=1.0,
        name=f"p{pid}",
        command="",
        user="root",
        unit=None,
        container=None,
        rx_bytes=rx_bytes,
        tx_bytes=tx_bytes,
        rx_packets=0,
        tx_packets=0,
        rx_payload=None,
        tx_payload=None,
        connections=0,
        exited=False,
    )


def snapshot(interval: float = 1.0, **fields: object) -> Snapshot:
    """A snapshot of the eBPF and scan layers with the given fields."""
    base = Snapshot(time=1.0, monotonic_ns=10**9, interval=interval, host="h", mode=Mode("ebpf", "scan"))
    for name, value in fields.items():
        object.__setattr__(base, name, value)
    return base
