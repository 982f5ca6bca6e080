"""The packets that a page holds: which of them stay, and that none goes uncounted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.model.held_packets import HeldPackets
from netdash.model.packets import WatchedPacket


def packet(time_ns: int, size: int = 10) -> WatchedPacket:
    return WatchedPacket(time_ns, 1, 0, size, bytes(size))


def times(held: HeldPackets) -> list[int]:
    return [each.time_ns for each in held.span().all()]


def test_the_oldest_go_and_are_counted() -> None:
    held = HeldPackets(max_packets=3)
    held.add(packet(n) for n in range(5))
    assert (times(held), held.dropped, held.missed) == ([2, 3, 4], 2, 0)
    span = held.span()
    assert (span.first, list(span.numbers), span.packet(3).time_ns) == (2, [2, 3, 4], 3)
    with pytest.raises(IndexError):
        span.packet(1)


def test_bytes_are_bounded_too() -> None:
    held = HeldPackets(max_bytes=25)
    held.add([packet(0), packet(1), packet(2)])
    assert (times(held), held.dropped) == ([1, 2], 1)
    held.add([packet(3, 100)])
    assert times(held) == [3], "one packet is held whatever its size"


def test_without_making_room_the_new_ones_are_missed() -> None:
    held = HeldPackets(max_packets=3)
    held.add((packet(n) for n in range(5)), make_room=False)
    held.miss(7)
    assert (times(held), held.dropped, held.missed) == ([0, 1, 2], 0, 9)


@given(
    batches=st.lists(st.tuples(st.lists(st.integers(1, 9), max_size=12), st.booleans()), max_size=12),
    max_packets=st.integers(1, 9),
    max_bytes=st.integers(9, 40),
)
def test_bounds_hold_and_every_packet_is_held_or_counted(
    batches: list[tuple[list[int], bool]], max_packets: int, max_bytes: int
) -> None:
    held = HeldPackets(max_packets, max_bytes)
    spans, came = [], 0
    for sizes, make_room in batches:
        held.add((packet(came + n, size) for n, size in enumerate(sizes)), make_room=make_room)
        came += len(sizes)
        spans.append((held.span(), times(held)))
        assert len(held) <= max_packets
        assert sum(len(each.data) for each in held.span().all()) <= max_bytes
        assert len(held) + held.dropped + held.missed == came
        assert times(held) == sorted(times(held))
    for span, then in spans:
        assert [span.packet(number).time_ns for number in span.numbers] == then, "a span stays as it was"
