from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netdash.collector.flows import flow_ids, join_directions
from netdash.kernel.raw_flow import (
    FLAG_FRAGMENT,
    FLAG_OVERFLOW,
    FLOW_KEY,
    FLOW_VALUE,
    PACKET_HOST,
    PACKET_OUTGOING,
    SIZE_COUNTS,
    RawCounts,
)
from netdash.model.hashing import connection_ids
from netdash.model.tables import FLOW_ECHO, FLOW_FRAGMENT, FLOW_OVERFLOW, address_text, pack_address

HOST, PEER = "10.0.0.1", "10.0.0.2"


def raw(*rows: Mapping[str, int | str]) -> RawCounts:
    """Counted packets; `bytes` is wire and skb alike, one packet each, unless said."""
    keys, values = np.zeros(len(rows), FLOW_KEY), np.zeros(len(rows), FLOW_VALUE)
    keys["ifindex"], keys["protocol"], keys["ethertype"] = 2, 6, 0x0800
    values["wire_packets"] = values["skb_packets"] = 1
    for index, row in enumerate(rows):
        for name, value in row.items():
            if name == "bytes":
                values["wire_bytes"][index] = values["skb_bytes"][index] = value
            elif name in (FLOW_VALUE.names or ()):
                values[name][index] = value
            else:
                keys[name][index] = np.frombuffer(pack_address(value), np.uint8) if isinstance(value, str) else value
    return RawCounts(keys, values, np.zeros(0, SIZE_COUNTS), 0)


def outgoing(**more: int | str) -> dict[str, int | str]:
    return {
        "packet_type": PACKET_OUTGOING,
        "source": HOST,
        "destination": PEER,
        "source_port": 40000,
        "destination_port": 443,
        **more,
    }


def incoming(**more: int | str) -> dict[str, int | str]:
    return {
        "packet_type": PACKET_HOST,
        "source": PEER,
        "destination": HOST,
        "source_port": 443,
        "destination_port": 40000,
        **more,
    }


def test_both_directions_become_one_row() -> None:
    counted = join_directions(raw(outgoing(bytes=100, tcp_flags=2), incoming(bytes=60, tcp_flags=0x12)))
    (row,) = counted.rows
    assert (address_text(bytes(row["local"])), row["local_port"]) == (HOST, 40000)
    assert (address_text(bytes(row["remote"])), row["remote_port"]) == (PEER, 443)
    assert (row["rx_bytes"], row["tx_bytes"], row["rx_packets"], row["tx_packets"]) == (60, 100, 1, 1)
    assert row["tcp_flags"] == 0x12
    assert (counted.rx_skb_bytes.tolist(), counted.tx_skb_bytes.tolist()) == ([60], [100])


def test_interface_vlan_and_protocol_keep_flows_apart() -> None:
    counted = join_directions(
        raw(outgoing(), outgoing(ifindex=3), outgoing(vlan=0x1007), outgoing(protocol=17), outgoing(ethertype=0x86DD))
    )
    assert len(counted.rows) == 5
    assert len(set(counted.rows["id"].tolist())) == 5


def test_ids_are_the_same_in_every_interval() -> None:
    first = join_directions(raw(outgoing(bytes=1)))
    later = join_directions(raw(incoming(bytes=9)))
    assert first.rows["id"].tolist() == later.rows["id"].tolist() == flow_ids(first.rows).tolist()


def test_a_connection_is_the_same_on_every_interface() -> None:
    counted = join_directions(raw(outgoing(), outgoing(ifindex=3, vlan=0x1007)))
    assert len(set(connection_ids(counted.rows).tolist())) == 1


def test_loopback_packets_show_both_ends() -> None:
    """A packet from 5000 to 80 leaves and arrives on the same device: each end has its own row."""
    ends: dict[str, int | str] = {
        "source": "127.0.0.1",
        "destination": "127.0.0.1",
        "source_port": 5000,
        "destination_port": 80,
    }
    counted = join_directions(
        raw(
            {"packet_type": PACKET_OUTGOING, "bytes": 100, **ends},
            {"packet_type": PACKET_HOST, "bytes": 100, **ends},
        )
    )
    figures = {int(r["local_port"]): (int(r["rx_bytes"]), int(r["tx_bytes"])) for r in counted.rows}
    assert figures == {5000: (0, 100), 80: (100, 0)}


def echo(request: bool, sent: bool, identifier: int) -> dict[str, int | str]:
    ends = outgoing() if sent else incoming()
    return {**ends, "protocol": 1, "source_port": 8 << 8 if request else 0, "destination_port": identifier}


def test_echo_requests_and_replies_are_one_flow_of_the_side_that_asks() -> None:
    counted = join_directions(raw(echo(True, True, 77), echo(False, False, 77)))
    (row,) = counted.rows
    assert (row["local_port"], row["remote_port"], row["flags"]) == (77, 0, FLOW_ECHO)
    assert (row["rx_packets"], row["tx_packets"]) == (1, 1)


def test_somebody_elses_ping_has_its_identifier_on_the_remote_side() -> None:
    counted = join_directions(raw(echo(True, False, 78), echo(False, True, 78)))
    (row,) = counted.rows
    assert (row["local_port"], row["remote_port"], row["flags"]) == (0, 78, FLOW_ECHO)


def test_other_icmp_messages_carry_type_and_code() -> None:
    counted = join_directions(raw({**incoming(), "protocol": 1, "source_port": 3 << 8 | 1, "destination_port": 0}))
    (row,) = counted.rows
    assert (row["local_port"], row["remote_port"], row["flags"]) == (0, 3 << 8 | 1, 0)


def test_overflow_rows_of_an_interface_become_one() -> None:
    full: dict[str, int | str] = {
        "source": "::",
        "destination": "::",
        "source_port": 0,
        "destination_port": 0,
        "flags": FLAG_OVERFLOW,
    }
    counted = join_directions(
        raw(
            {**incoming(bytes=5), **full},
            {**incoming(bytes=6), **full, "protocol": 1},
            {**outgoing(bytes=7), **full, "protocol": 17, "vlan": 0x1001},
        )
    )
    (row,) = counted.rows
    assert (row["flags"], row["rx_bytes"], row["tx_bytes"]) == (FLOW_OVERFLOW, 11, 7)


def test_fragments_without_ports_are_marked() -> None:
    counted = join_directions(raw({**incoming(), "flags": FLAG_FRAGMENT, "source_port": 0, "destination_port": 0}))
    assert counted.rows["flags"].tolist() == [FLOW_FRAGMENT]


def test_no_packets_give_no_rows() -> None:
    assert len(join_directions(raw()).rows) == 0
