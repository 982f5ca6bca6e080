"""Destroy events: what is known about a FIN afterwards, and the closed state. The rest is in tests/integration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netdash.kernel.sock_diag_wire import parse_sockets
from netdash.kernel.socket_events import SocketDestroyEvents, subtract_seen_fins
from netdash.kernel.socket_row import SOCKET_ROW

DATA = Path(__file__).parent / "data"


def test_fin_that_a_dump_has_seen_is_subtracted_and_no_other() -> None:
    events = parse_sockets((DATA / "sockets_destroyed.bin").read_bytes(), None)
    before = parse_sockets((DATA / "sockets_tcp4_root.bin").read_bytes(), 6)
    raw = dict(zip(events["cookie"].tolist(), events["rx_payload_bytes"].tolist(), strict=True))
    subtract_seen_fins(events, before)
    corrected = dict(zip(events["cookie"].tolist(), events["rx_payload_bytes"].tolist(), strict=True))
    (close_wait,) = before["cookie"][before["state"] == 8].tolist()
    assert (raw[close_wait], corrected[close_wait]) == (11, 10)
    assert {cookie for cookie in raw if raw[cookie] != corrected[cookie]} == {close_wait}


def test_nothing_goes_below_zero() -> None:
    rows = np.zeros(1, SOCKET_ROW)
    rows["cookie"], rows["state"], rows["has_info"] = 5, 9, 1
    subtract_seen_fins(rows, rows.copy())
    assert rows["rx_payload_bytes"][0] == 0


def test_closed_events_are_empty() -> None:
    events = SocketDestroyEvents()
    assert events.fileno() == -1
    assert len(events.read()) == 0
    assert not events.overflowed
    events.close()
