"""What a filter must know beside a table: the process of a pid, the interface of an index, the name of an address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from netdash.model.snapshot import Interface, Layer, Process, Snapshot
from netdash.model.tables import FLOW_ROW, SOCKET_ROW, UNKNOWN, empty

HostNames = Callable[[], Mapping[bytes, str]]
"""Names of packed addresses (16 bytes) that are known by now; asking begins no look-up."""


def no_host_names() -> Mapping[bytes, str]:
    """Where names are not looked up."""
    return {}


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What `rate` and `total` are compared with, one each row: both directions together; NaN = not known."""

    rates: NDArray[np.float64]
    """Bytes per second."""
    totals: NDArray[np.float64]
    """Bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class FilterContext:
    """The moment at which a filter is asked."""

    processes: Mapping[int, Process] = field(default_factory=dict)
    """By pid."""
    interfaces: tuple[Interface, ...] = ()
    flows: NDArray[np.void] = field(default_factory=lambda: empty(FLOW_ROW))
    """Through which processes are found by words that only connections have."""
    sockets: NDArray[np.void] = field(default_factory=lambda: empty(SOCKET_ROW))
    """As `flows`."""
    interval: float = 0.0
    """Seconds that the figures of tables without `Figures` are of."""
    layer: Layer = Layer.WIRE
    """Which bytes of flows and processes count."""
    host_names: HostNames = no_host_names
    bits: bool = True
    """Whether the screen shows rates in bits: the unit of a rate that is written without one."""

    @classmethod
    def of(cls, snapshot: Snapshot, *, host_names: HostNames = no_host_names, bits: bool = True) -> FilterContext:
        """All from one snapshot: rates and totals are those of its interval."""
        return cls(
            processes={p.pid: p for p in sorted(snapshot.processes, key=lambda p: p.start_ticks)},
            interfaces=snapshot.interfaces,
            flows=snapshot.flows,
            sockets=snapshot.sockets,
            interval=snapshot.interval,
            layer=snapshot.mode.layer,
            host_names=host_names,
            bits=bits,
        )


def flow_figures(flows: NDArray[np.void], context: FilterContext) -> Figures:
    """Figures of a snapshot's flows, from their columns."""
    kind = "payload" if context.layer is Layer.PAYLOAD else "bytes"
    return _figures(flows[f"rx_{kind}"], flows[f"tx_{kind}"], context.interval)


def socket_figures(sockets: NDArray[np.void], context: FilterContext) -> Figures:
    """Payload of sockets: of the interval, and of the connection so far."""
    rates = _figures(sockets["rx_payload"], sockets["tx_payload"], context.interval).rates
    totals = (sockets["rx_payload_total"] + sockets["tx_payload_total"]).astype(np.float64)
    totals[sockets["has_info"] == 0] = np.nan
    return Figures(rates, totals)


def process_figures(processes: tuple[Process, ...], context: FilterContext) -> Figures:
    """Figures of a snapshot's processes."""
    if context.layer is Layer.PAYLOAD:
        return _pair_figures([(p.rx_payload, p.tx_payload) for p in processes], context.interval)
    return _pair_figures([(p.rx_bytes, p.tx_bytes) for p in processes], context.interval)


def interface_figures(interfaces: tuple[Interface, ...], context: FilterContext) -> Figures:
    """Figures of a snapshot's interfaces."""
    return _pair_figures([(i.rx_bytes, i.tx_bytes) for i in interfaces], context.interval)


def _pair_figures(pairs: list[tuple[int | None, int | None]], interval: float) -> Figures:
    columns = np.array([[UNKNOWN if n is None else n for n in pair] for pair in pairs], np.int64).reshape(-1, 2)
    return _figures(columns[:, 0], columns[:, 1], interval)


def _figures(rx: NDArray[np.int64], tx: NDArray[np.int64], interval: float) -> Figures:
    """`UNKNOWN` of one direction counts nothing, of both gives NaN."""
    totals = np.maximum(rx, 0).astype(np.float64) + np.maximum(tx, 0)
    totals[(rx == UNKNOWN) & (tx == UNKNOWN)] = np.nan
    return Figures(totals / interval if interval > 0 else np.full(len(totals), np.nan), totals)
