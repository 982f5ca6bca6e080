"""Interfaces as text, in the columns of sar -n DEV and sar -n EDEV (sar(1))."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from netdash.model.snapshot import Accounting, Interface, Snapshot
from netdash.model.units import NOT_KNOWN, Units, link_share
from netdash.sinks.text_layout import clean, per_second
from netdash.sinks.text_table import table

_DEV: Final = ("IFACE", "rxpck/s", "txpck/s", "rxkB/s", "txkB/s", "rxmcst/s", "%ifutil")

_EDEV: Final = ("IFACE", "rxerr/s", "txerr/s", "coll/s", "rxdrop/s", "txdrop/s")

_SAR_WIDTH: Final = 9

_KILOBYTE: Final = 1024
"""sar's kB."""


def interfaces_text(snapshot: Snapshot, label: str) -> list[str]:
    """Two tables with `label` (the time, or "Average:") before every line, as sar has it."""
    interval, interfaces = snapshot.interval, snapshot.interfaces
    counted_by = "the packets of the file" if snapshot.mode.flows == "pcap" else "the kernel's counters"
    traffic = [
        (
            clean(i.name),
            per_second(i.rx_packets, interval),
            per_second(i.tx_packets, interval),
            _kilobytes(i.rx_bytes, interval),
            _kilobytes(i.tx_bytes, interval),
            per_second(i.rx_multicast, interval),
            _utilisation(i, interval),
        )
        for i in interfaces
    ]
    errors = [
        (
            clean(i.name),
            *(
                per_second(value, interval)
                for value in (i.rx_errors, i.tx_errors, i.collisions, i.rx_dropped, i.tx_dropped)
            ),
        )
        for i in interfaces
    ]
    return [
        f"Interfaces  ({counted_by}; kB = 1024 bytes; %ifutil of the link's speed)",
        *_labelled(label, table(_DEV, traffic, (), [_SAR_WIDTH] * len(_DEV))),
        "",
        *_labelled(label, table(_EDEV, errors, (), [_SAR_WIDTH] * len(_EDEV))),
    ]


def accounting_text(snapshot: Snapshot, units: Units) -> list[str]:
    """Where the bytes of each interface went: one row an interface that carried any, received and sent together."""
    header = ("IFACE", "kernel", "counted", "attributed", "forwarded", "kernel's own", "unattributed", "counts")
    rows = [_accounting_row(clean(name), a, units) for name, a in snapshot.accounting.items() if _carried(a)]
    if not rows:
        return []
    return [
        "Accounting  (bytes of the interval, received and sent, in the measure of the interface's own counter)",
        *table(header, rows, (0, len(header) - 1), [_SAR_WIDTH] * len(header)),
    ]


def _carried(accounting: Accounting) -> bool:
    """False where both counters say 0."""
    return accounting.kernel_bytes != 0 or accounting.counted_bytes != 0


def _accounting_row(name: str, accounting: Accounting, units: Units) -> tuple[str, ...]:
    a = accounting
    return (
        name,
        units.volume(a.kernel_bytes),
        units.volume(a.counted_bytes),
        units.volume(a.attributed_bytes),
        units.volume(a.forwarded_bytes),
        units.volume(a.kernel_socket_bytes),
        units.volume(a.unattributed_bytes),
        a.counts,
    )


def _labelled(label: str, lines: Iterable[str]) -> list[str]:
    return [f"{label:<11} {line}" for line in lines]


def _kilobytes(value: int | None, interval: float) -> str:
    return NOT_KNOWN if value is None or interval <= 0 else f"{value / interval / _KILOBYTE:.2f}"


def _utilisation(interface: Interface, interval: float) -> str:
    share = link_share(interface.rx_bytes, interface.tx_bytes, interval, interface.speed_bps)
    return NOT_KNOWN if share is None else f"{share:.2f}"
