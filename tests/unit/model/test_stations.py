"""Stations: their sums, their names, and what they moved since the start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from netdash.model.snapshot import Mode, Snapshot
from netdash.model.station_history import MAX_STATIONS, StationHistory
from netdash.model.stations import NO_STATION, mac_text, merge_stations, own_macs, station_name
from netdash.model.tables import STATION_ROW, UNKNOWN
from tests.unit.model.builders import interface

SUMS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "rx_ip_packets", "tx_ip_packets")


def rows(*stations: tuple[int, int, int]) -> NDArray[np.void]:
    """STATION_ROW of (interface, number as address, packets), with 100 bytes each packet, all of them IP."""
    table = np.zeros(len(stations), STATION_ROW)
    for row, (ifindex, number, packets) in zip(table, stations, strict=True):
        row["ifindex"], row["mac"] = ifindex, np.frombuffer(number.to_bytes(6, "big"), np.uint8)
        for name in SUMS:
            row[name] = packets * 100 if name.endswith("bytes") else packets
    return table


def packets(table: NDArray[np.void]) -> list[tuple[int, str, int, int]]:
    return [(int(r["ifindex"]), mac_text(r["mac"].tobytes()), int(r["rx_packets"]), int(r["tx_bytes"])) for r in table]


def taken(tick: int, *stations: tuple[int, int, int]) -> Snapshot:
    return Snapshot(float(tick), tick * 10**9, float(tick > 0), "h", Mode("ebpf", "scan"), stations=rows(*stations))


def test_sums_are_by_interface_and_address() -> None:
    merged = merge_stations(rows((2, 1, 5), (3, 1, 7)), rows((2, 1, 1), (2, 0x010000000000, 2)))
    assert packets(merged) == [
        (2, "01:00:00:00:00:00", 2, 200),
        (2, "00:00:00:00:00:01", 6, 600),
        (3, "00:00:00:00:00:01", 7, 700),
    ]


def test_beyond_the_limit_no_byte_is_lost_and_which_are_ip_is_not_known() -> None:
    merged = merge_stations(rows(*((2, n, n) for n in range(1, 11))), rows((4, 77, 1000)), limit=4)
    assert [each[1:3] for each in packets(merged)] == [
        ("00:00:00:00:00:00", 28),
        ("00:00:00:00:00:08", 8),
        ("00:00:00:00:00:09", 9),
        ("00:00:00:00:00:0a", 10),
        ("00:00:00:00:00:4d", 1000),
    ]
    assert merged["rx_ip_packets"].tolist() == [UNKNOWN, 8, 9, 10, 1000]


def test_whoever_does_not_know_does_not_learn_by_adding() -> None:
    unknown = rows((2, 0, 3))
    unknown["tx_ip_packets"] = UNKNOWN
    (row,) = merge_stations(rows((2, 0, 4)), unknown)
    assert (int(row["rx_ip_packets"]), int(row["tx_ip_packets"]), int(row["tx_packets"])) == (7, UNKNOWN, 7)


@pytest.mark.parametrize(
    ("mac", "name"),
    [
        ("000000000000", "not known"),
        ("ffffffffffff", "broadcast"),
        ("01005e0000fb", "IPv4 multicast"),
        ("333300000001", "IPv6 multicast"),
        ("0180c200000e", "LLDP"),
        ("0180c2000021", "group"),
        ("020000000001", "own br0"),
        ("020000000002", ""),
    ],
)
def test_names(mac: str, name: str) -> None:
    own = {bytes.fromhex("020000000001"): "br0"}
    assert station_name(bytes.fromhex(mac), own) == name


def test_addresses_of_this_host() -> None:
    interfaces = [
        replace(interface("br0.5", 9), mac="02:00:00:00:00:01"),
        replace(interface("br0", 4), mac="02:00:00:00:00:01"),
        replace(interface("lo", 1), mac="00:00:00:00:00:00"),
        replace(interface("ib0", 5), mac="80:00:02:08:fe:80"),
        replace(interface("odd", 6), mac="not hexadecimal"),
        replace(interface("long", 7), mac="02:00:00:00:00:01:02:03"),
        replace(interface("tun0", 8), mac=None),
    ]
    assert own_macs(interfaces) == {bytes.fromhex("020000000001"): "br0", bytes.fromhex("80000208fe80"): "ib0"}


def test_totals_grow_and_rates_are_of_the_last_interval() -> None:
    history = StationHistory()
    history.update(taken(0, (2, 1, 9)))
    assert not len(history.figures.rows)
    history.update(taken(1, (2, 1, 5), (3, 1, 4)))
    history.update(taken(2, (2, 1, 1), (2, 2, 3)))
    one, two = history.figures.of_interfaces([2])
    assert (int(one["rx_packets"]), int(one["rx_packets_now"]), int(one["tx_bytes_now"])) == (6, 1, 100)
    assert (int(two["rx_packets"]), int(two["rx_ip_packets"])) == (3, 3)
    (elsewhere,) = history.figures.of_interfaces([3])
    assert (int(elsewhere["tx_bytes"]), int(elsewhere["tx_bytes_now"])) == (400, 0)
    history.update(taken(3))
    assert not history.figures.rows["rx_bytes_now"].any()


def test_a_copy_goes_on_by_itself() -> None:
    history = StationHistory()
    history.update(taken(1, (2, 1, 5)))
    twin = history.copy()
    history.update(taken(2, (2, 1, 5), (2, 2, 5)))
    assert (len(twin.figures.rows), twin.figures.rows["rx_packets"].tolist()) == (1, [5])


def test_a_full_history_keeps_the_largest_and_every_byte() -> None:
    history = StationHistory()
    history.update(taken(1, (2, 5, 10**6)))
    for tick in range(3):
        first = 100 + tick * MAX_STATIONS
        history.update(taken(2 + tick, *((2, first + n, 1) for n in range(MAX_STATIONS))))
    figures = history.figures
    assert len(figures.rows) <= MAX_STATIONS + 1
    assert figures.rows["rx_packets"].sum() == 10**6 + 3 * MAX_STATIONS
    assert 10**6 in figures.rows["rx_packets"]
    assert figures.rows["mac"][0].tobytes() == NO_STATION


def test_where_packets_are_not_counted_it_is_known() -> None:
    history = StationHistory()
    history.update(replace(taken(1), mode=Mode("sockets", "own")))
    assert not history.figures.counted
