"""What went wrong since the start: packets in error or dropped by interface, packets that the counting lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The first paint does not wait for NumPy, which snapshots are made of.
    from netdash.model.snapshot import Interface, Snapshot


@dataclass(frozen=True, slots=True)
class InterfaceFaults:
    """Packets of one interface that were in error or dropped since the start, both directions."""

    errors: int = 0
    dropped: int = 0

    def after(self, interface: Interface) -> InterfaceFaults:
        """The same with one more interval; what is not known counts nothing."""
        return InterfaceFaults(
            self.errors + (interface.rx_errors or 0) + (interface.tx_errors or 0),
            self.dropped + (interface.rx_dropped or 0) + (interface.tx_dropped or 0),
        )


class FaultHistory:
    """Adds up the faults of snapshots."""

    def __init__(self) -> None:
        self.interfaces: Mapping[tuple[int, str], InterfaceFaults] = {}
        """By index and name, those of the newest snapshot; replaced by every update."""
        self.lost_packets = 0
        """Packets that the counting missed."""

    def update(self, snapshot: Snapshot) -> None:
        """Takes one interval, or a baseline."""
        self.interfaces = {
            (i.index, i.name): self.interfaces.get((i.index, i.name), InterfaceFaults()).after(i)
            for i in snapshot.interfaces
        }
        self.lost_packets += snapshot.health.lost_packets

    def copy(self) -> FaultHistory:
        """One that goes on from here by itself."""
        twin = FaultHistory()
        twin.interfaces, twin.lost_packets = self.interfaces, self.lost_packets
        return twin
