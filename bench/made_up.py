"""What snapshots are made of that no collector has taken: a host with one interface."""

from __future__ import annotations

from typing import Final

from netdash.model.snapshot import Interface, Process

BEGIN: Final = 1_795_356_000.0
"""Seconds since the epoch: a full minute."""
INTERFACE: Final = Interface(
    name="eth0",
    index=2,
    kind="physical",
    state="up",
    speed_bps=10**10,
    mtu=1500,
    mac="02:00:00:00:00:01",
    addresses=("10.0.0.1/24",),
    master=None,
    rx_bytes=0,
    tx_bytes=0,
    rx_packets=0,
    tx_packets=0,
    rx_errors=0,
    tx_errors=0,
    rx_dropped=0,
    tx_dropped=0,
    rx_multicast=0,
    collisions=0,
)
PROCESS: Final = Process(
    pid=1,
    start_ticks=0,
    start=BEGIN,
    name="",
    command="",
    user="www",
    unit="web.service",
    container=None,
    rx_bytes=0,
    tx_bytes=0,
    rx_packets=0,
    tx_packets=5,
    rx_payload=0,
    tx_payload=77,
    connections=20,
    exited=False,
)
