"""The packets that a page holds: the last ones, bounded in number and bytes, with a count of those that it has not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from netdash.model.packets import WatchedPacket

MAX_HELD_PACKETS: Final = 10_000
MAX_HELD_BYTES: Final = 16 << 20
"""Of the packets' kept bytes."""

_COMPACTED_AT: Final = 4
"""Packets that were let go stay in memory until they are one of so many."""


@dataclass(frozen=True, slots=True, eq=False)
class PacketSpan:
    """What was held at one moment; further packets do not change it."""

    held: HeldPackets
    """Where it is from: numbers are those of its packets."""
    first: int
    """Number of the oldest packet. Every packet has a number, by one higher than that of the one before."""
    _packets: Sequence[WatchedPacket]
    _start: int
    _end: int

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def numbers(self) -> range:
        """The numbers of all packets."""
        return range(self.first, self.first + len(self))

    def packet(self, number: int) -> WatchedPacket:
        """A packet by its number. Raises IndexError."""
        if number not in self.numbers:
            raise IndexError(number)
        return self._packets[self._start + number - self.first]

    def all(self) -> Sequence[WatchedPacket]:
        """Every packet, the oldest first."""
        return self._packets[self._start : self._end]


class HeldPackets:
    """Takes packets in the order in which they passed."""

    def __init__(self, max_packets: int = MAX_HELD_PACKETS, max_bytes: int = MAX_HELD_BYTES) -> None:
        self._max_packets = max_packets
        self._max_bytes = max_bytes
        self._packets: list[WatchedPacket] = []  # only ever appended to: spans share it
        self._start = 0
        self._first = 0
        self._bytes = 0
        self.dropped = 0
        """Packets that were held and let go for newer ones."""
        self.missed = 0
        """Packets that were not taken: see `add` and `miss`."""

    def __len__(self) -> int:
        return len(self._packets) - self._start

    def add(self, packets: Iterable[WatchedPacket], *, make_room: bool = True) -> None:
        """Takes packets. Where there is no room the oldest go; or, not to `make_room`, the new ones are missed."""
        for packet in packets:
            size = len(packet.data)
            if not make_room and (len(self) >= self._max_packets or self._bytes + size > self._max_bytes):
                self.missed += 1
                continue
            self._packets.append(packet)
            self._bytes += size
        while len(self) > self._max_packets or (self._bytes > self._max_bytes and len(self) > 1):
            self._bytes -= len(self._packets[self._start].data)
            self._start += 1
            self._first += 1
            self.dropped += 1
        if self._start * _COMPACTED_AT > len(self._packets):
            self._packets = self._packets[self._start :]
            self._start = 0

    def miss(self, count: int) -> None:
        """So many packets passed that were not to be taken."""
        self.missed += count

    def span(self) -> PacketSpan:
        """What is held now."""
        return PacketSpan(self, self._first, self._packets, self._start, len(self._packets))
