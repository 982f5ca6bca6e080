"""Where an interface's bytes went, in the measure of its own counter.

A counter may count wire segments (most NICs) or the kernel's super-packets (veth, lo, virtio), and either with or
without the link-layer header or with the frame check sequence. All of these are summed; the measure that follows the
counter best is the one in which a difference means bytes that were not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from netdash.collector.flows import CountedFlows
from netdash.model.snapshot import Accounting, Interface
from netdash.model.tables import Attribution

Counts = Literal["segments", "super-packets"]

_EXTRA_BYTES: Final = (0, -14, 4)
"""A packet's bytes beside its frame: the frame itself, without an Ethernet header, with a frame check sequence."""

_MEMORY: Final = 0.9
"""Share of the old error that stays in each interval: the choice follows a change of offloads within seconds."""

_HYSTERESIS: Final = 0.5
"""Another measure must err by less than this share of the present one's error."""

_CANDIDATES: Final = len(_EXTRA_BYTES)


@dataclass(slots=True)
class _Measure:
    """What one interface's counters are seen to follow: shape (2 units, 2 directions, 3 extras) of summed errors."""

    errors: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 2, _CANDIDATES)))
    unit: int = 0
    extra: list[int] = field(default_factory=lambda: [0, 0])

    def learn(self, candidates: NDArray[np.float64], kernel: tuple[int, int]) -> None:
        self.errors *= _MEMORY
        self.errors += np.abs(candidates - np.array(kernel, np.float64)[None, :, None])
        best = self.errors.min(axis=2).sum(axis=1)
        if best[1 - self.unit] < best[self.unit] * _HYSTERESIS:
            self.unit = 1 - self.unit
        for direction in (0, 1):
            errors = self.errors[self.unit, direction]
            choice = int(errors.argmin())
            if errors[choice] < errors[self.extra[direction]] * _HYSTERESIS:
                self.extra[direction] = choice


@dataclass(slots=True)
class AccountingTable:
    """Learns each interface's measure and accounts its bytes."""

    measures: dict[int, _Measure] = field(default_factory=dict)

    def update(self, interfaces: tuple[Interface, ...], flows: CountedFlows) -> dict[str, Accounting]:
        """By interface name; `flows.rows` have their attribution."""
        self.measures = {i.index: self.measures.get(i.index, _Measure()) for i in interfaces}
        figures = _figures(flows, [i.index for i in interfaces])
        return {i.name: self._account(i, figures[row]) for row, i in enumerate(interfaces)}

    def _account(self, interface: Interface, figures: NDArray[np.int64]) -> Accounting:
        candidates = _candidates(figures.sum(axis=2))
        measure = self.measures[interface.index]
        kernel = None
        if interface.rx_bytes is not None and interface.tx_bytes is not None:
            kernel = interface.rx_bytes + interface.tx_bytes
            measure.learn(candidates, (interface.rx_bytes, interface.tx_bytes))
        by_attribution = np.zeros(len(Attribution), np.int64)
        for direction in (0, 1):
            bytes_and_packets = figures[measure.unit, direction]
            by_attribution += bytes_and_packets[:, 0] + _EXTRA_BYTES[measure.extra[direction]] * bytes_and_packets[:, 1]
        parts = {name: int(by_attribution[list(members)].sum()) for name, members in _CLASSES.items()}
        counts: Counts = "super-packets" if measure.unit else "segments"
        return Accounting(counts, kernel, sum(parts.values()), **parts)


def _figures(flows: CountedFlows, indices: list[int]) -> NDArray[np.int64]:
    """Sums of bytes and packets by interface (row = place in `indices`) and attribution.

    Shape (interfaces, 2 units, 2 directions, attributions, 2): as segments and as super-packets, in and out.
    """
    rows = flows.rows
    order = np.array(sorted(indices), np.int64)
    kinds = len(Attribution)
    figures = np.zeros((len(order), 2, 2, kinds, 2), np.int64)
    if not len(order) or not len(rows):
        return figures
    place = np.searchsorted(order, rows["ifindex"]).clip(0, len(order) - 1)
    known = order[place] == rows["ifindex"]
    cell = np.where(known, place * kinds + rows["attribution"], len(order) * kinds)
    columns = (
        (rows["rx_bytes"], rows["rx_packets"]),
        (rows["tx_bytes"], rows["tx_packets"]),
        (flows.rx_skb_bytes, flows.rx_skb_packets),
        (flows.tx_skb_bytes, flows.tx_skb_packets),
    )
    for index, pair in enumerate(columns):
        for what, column in enumerate(pair):
            # Sums as doubles are exact below 2^53: nine petabytes in an interval.
            sums = np.bincount(cell, column, len(order) * kinds + 1)[:-1].reshape(len(order), kinds)
            figures[:, index // 2, index % 2, :, what] = sums
    return figures[np.searchsorted(order, indices)]


def _candidates(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shape (2 units, 2 directions, 3 extras) from sums of shape (2, 2, 2)."""
    return sums[:, :, 0, None] + np.array(_EXTRA_BYTES, np.float64)[None, None, :] * sums[:, :, 1, None]


_CLASSES: Final[Mapping[str, tuple[Attribution, ...]]] = {
    "attributed_bytes": (Attribution.EXACT, Attribution.SOCKET, Attribution.LISTENER),
    "forwarded_bytes": (Attribution.FORWARDED,),
    "kernel_socket_bytes": (Attribution.KERNEL,),
    "unattributed_bytes": (Attribution.NONE,),
}
