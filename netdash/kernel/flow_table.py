"""Sums counted packets by flow: an open-addressing hash table that handles thousands of rows in every operation."""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from netdash.kernel.raw_flow import FLAG_OVERFLOW, FLOW_KEY, FLOW_VALUE

_WORDS = FLOW_KEY.itemsize // 8
_EMPTY = -1
_COARSE_ROWS = 2048


def _key_words(*kept: str) -> NDArray[np.uint64]:
    """Mask of the named key fields, as the words of a key."""
    mask = np.zeros(1, FLOW_KEY)
    for name in kept:
        mask[name] = np.iinfo(mask.dtype[name]).max
    words: NDArray[np.uint64] = mask.view("<u8")
    return words


def _overflow_flag() -> NDArray[np.uint64]:
    flag = np.zeros(1, FLOW_KEY)
    flag["flags"] = FLAG_OVERFLOW
    words: NDArray[np.uint64] = flag.view("<u8")
    return words


_OVERFLOW_FLAG = _overflow_flag()
_OVERFLOW_MASKS = (
    (_key_words("ifindex", "packet_type", "protocol", "ethertype", "vlan"), _COARSE_ROWS),
    (_key_words("ifindex", "packet_type"), _COARSE_ROWS),
    (_key_words(), 1),
)
"""What is kept of the keys that find no room, and how many such rows there may be. Forged packets can fill the first
kind (protocol, ethertype and VLAN id are theirs to choose); the last kind is one row for all that is left."""


class FlowTable:
    """At most `max_flows` flows, then overflow rows: sums are exact whatever arrives, memory is bounded.

    Slots are found by a hash with secret multipliers, so that nobody can choose flows that collide; equal hashes are
    told apart by comparing whole keys.
    """

    def __init__(self, max_flows: int) -> None:
        if max_flows < 1:
            raise ValueError(f"max_flows must be at least 1, not {max_flows}")
        self._max_flows = max_flows
        capacity = max_flows + sum(rows for _, rows in _OVERFLOW_MASKS)
        slot_bits = (2 * capacity - 1).bit_length()
        self._slot_mask = (1 << slot_bits) - 1
        self._slot_shift = np.uint64(64 - slot_bits)
        multipliers = [secrets.randbits(64) for _ in range(2 * _WORDS)]
        self._multipliers = np.array(multipliers, np.uint64)
        self._slots = np.full(1 << slot_bits, _EMPTY, np.int32)
        self._keys = np.empty((capacity, _WORDS), "<u8")
        self._values = np.empty(capacity, FLOW_VALUE)
        self._count = 0

    def add(self, keys: NDArray[np.void], values: NDArray[np.void]) -> None:
        """Adds FLOW_VALUE rows to the flows of the FLOW_KEY rows beside them; keys may repeat."""
        words = keys.view("<u8").reshape(-1, _WORDS)
        limit = self._max_flows
        rows = self._find_or_insert(words, limit)
        for mask, extra_rows in _OVERFLOW_MASKS:
            missing = np.flatnonzero(rows == _EMPTY)
            if len(missing) == 0:
                break
            limit += extra_rows
            rows[missing] = self._find_or_insert(words[missing] & mask | _OVERFLOW_FLAG, limit)
        self._sum(rows, values)

    def take(self) -> tuple[NDArray[np.void], NDArray[np.void]]:
        """All rows as (FLOW_KEY[n], FLOW_VALUE[n]), new arrays; the table is empty afterwards."""
        keys = self._keys[: self._count].copy().view(FLOW_KEY).reshape(-1)
        values = self._values[: self._count].copy()
        if self._count:
            # An interval without packets costs nothing.
            self._slots.fill(_EMPTY)
        self._count = 0
        return keys, values

    def _sum(self, rows: NDArray[np.int64], values: NDArray[np.void]) -> None:
        total = self._values
        for name in ("wire_packets", "wire_bytes", "skb_bytes", "skb_packets"):
            np.add.at(total[name], rows, values[name])
        total["station"][rows] = values["station"]
        np.maximum.at(total["last_ns"], rows, values["last_ns"])
        flags = values["tcp_flags"]
        fresh = np.flatnonzero(flags & ~total["tcp_flags"][rows])
        if len(fresh):
            np.bitwise_or.at(total["tcp_flags"], rows[fresh], flags[fresh])

    def _find_or_insert(self, words: NDArray[np.uint64], limit: int) -> NDArray[np.int64]:
        """Row of each key; new keys get rows while there are fewer than `limit`, the others _EMPTY."""
        rows = np.full(len(words), _EMPTY, np.int64)
        waiting = np.arange(len(words))
        slots = self._first_slots(words)
        while len(waiting):
            candidates = self._slots.take(slots)
            if (candidates == _EMPTY).any() and self._count < limit:
                self._insert(words, slots, np.flatnonzero(candidates == _EMPTY), limit)
                candidates = self._slots.take(slots)
            taken = np.flatnonzero(candidates != _EMPTY)
            if len(taken) < len(candidates):
                waiting, words, slots, candidates = waiting[taken], words[taken], slots[taken], candidates[taken]
            equal = _equal_rows(self._keys.take(candidates, axis=0), words)
            rows[waiting[equal]] = candidates[equal]
            other = np.flatnonzero(~equal)
            waiting, words = waiting[other], words[other]
            slots = (slots[other] + 1) & self._slot_mask
        return rows

    def _first_slots(self, words: NDArray[np.uint64]) -> NDArray[np.int64]:
        # Multilinear hashing of 32-bit words: the high bits are universal (Dietzfelbinger 1996), so that no choice of
        # keys makes many collisions likely.
        halves = words.view("<u4").astype(np.uint64)
        slots: NDArray[np.int64] = ((halves @ self._multipliers) >> self._slot_shift).astype(np.int64)
        return slots

    def _insert(
        self, words: NDArray[np.uint64], slots: NDArray[np.int64], empty: NDArray[np.int64], limit: int
    ) -> None:
        """Gives each distinct empty slot that keys want to the first of them; the others look again afterwards."""
        wanted = slots[empty]
        claims = np.arange(len(empty), dtype=np.int32)
        self._slots[wanted[::-1]] = claims[::-1]
        winners = np.flatnonzero(self._slots.take(wanted) == claims)
        self._slots[wanted[winners[limit - self._count :]]] = _EMPTY
        winners = winners[: limit - self._count]
        first, self._count = self._count, self._count + len(winners)
        self._slots[wanted[winners]] = np.arange(first, self._count, dtype=np.int32)
        self._keys[first : self._count] = words[empty[winners]]
        new = self._values[first : self._count]
        new[:] = np.zeros((), FLOW_VALUE)


def _equal_rows(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.bool_]:
    # Six columns or-ed are three times faster than a reduction along the short axis.
    difference = left ^ right
    merged = difference[:, 0]
    for column in range(1, _WORDS):
        merged = merged | difference[:, column]
    equal: NDArray[np.bool_] = merged == 0
    return equal
