from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdash.kernel.protocol_counters import (
    is_gauge,
    parse_snmp,
    parse_snmp6,
    parse_sockstat,
    parse_softnet,
    read_protocol_counters,
)
from tests.namespaces import Lab, run_in, socket_in

DATA = Path(__file__).parent / "data"

Parser = Callable[[bytes], dict[str, int]]

PARSERS: dict[str, Parser] = {
    "snmp": parse_snmp,
    "netstat": parse_snmp,
    "snmp6": parse_snmp6,
    "sockstat": parse_sockstat,
    "sockstat6": parse_sockstat,
    "softnet_stat": parse_softnet,
}


def recorded(name: str) -> bytes:
    return (DATA / f"{name}.txt").read_bytes()


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("snmp", {"Tcp.MaxConn": -1, "Tcp.RtoMin": 200, "Ip.DefaultTTL": 64, "Udp.RcvbufErrors": 0}),
        ("netstat", {"TcpExt.ListenOverflows": 0, "IpExt.InOctets": 180199847}),
        ("snmp6", {"Ip6.InReceives": 1, "Ip6.OutMcastOctets": 672, "Icmp6.OutMLDv2Reports": 4, "Udp6.InDatagrams": 0}),
        ("sockstat", {"Sockstat.sockets.used": 15, "Sockstat.TCP.inuse": 1, "Sockstat.FRAG.memory": 0}),
        ("sockstat6", {"Sockstat.TCP6.inuse": 0, "Sockstat.FRAG6.memory": 0}),
        ("softnet_stat", {"Softnet.processed": 0x189AD + 0x80DE, "Softnet.dropped": 0, "Softnet.time_squeeze": 1}),
    ],
)
def test_reads_what_a_kernel_wrote(file: str, expected: dict[str, int]) -> None:
    assert expected.items() <= PARSERS[file](recorded(file)).items()


def test_every_name_of_a_kernels_file_is_read() -> None:
    assert len(parse_snmp6(recorded("snmp6"))) == recorded("snmp6").count(b"\n")
    for file in ("snmp", "netstat"):
        headers = recorded(file).split(b"\n")[::2]
        assert len(parse_snmp(recorded(file))) == sum(len(header.split()) - 1 for header in headers if header)


@pytest.mark.parametrize("file", ["snmp", "netstat", "snmp6", "sockstat", "sockstat6"])
@given(data=st.data())
def test_a_cut_leaves_only_whole_lines(file: str, data: st.DataObject) -> None:
    text = recorded(file)
    length = data.draw(st.integers(0, len(text)))
    assert PARSERS[file](text[:length]).items() <= PARSERS[file](text).items()


@pytest.mark.parametrize("parse", [parse_snmp, parse_snmp6, parse_sockstat, parse_softnet])
@given(
    text=st.binary()
    | st.lists(st.sampled_from([b"Tcp:", b"Ip6A", b" ", b"-1", b"\n", b"7", b"zz", b"\xff", b"9" * 5000])).map(b"".join)
)
def test_damaged_text_never_raises(parse: Parser, text: bytes) -> None:
    assert all(isinstance(value, int) for value in parse(text).values())


def test_softnet_sums_over_cpus_and_takes_the_columns_of_old_kernels() -> None:
    text = b"00000010 00000002 00000001\nffffffff 00000001 zz\n"
    assert parse_softnet(text) == {
        "Softnet.processed": 0x10 + 0xFFFFFFFF,
        "Softnet.dropped": 3,
        "Softnet.time_squeeze": 1,
    }


def test_gauges_are_told_from_counters() -> None:
    counters = read_protocol_counters()
    gauges = {name for name in counters if is_gauge(name)}
    assert gauges >= {"Tcp.CurrEstab", "Tcp.MaxConn", "Ip.DefaultTTL", "Sockstat.TCP.inuse", "Softnet.backlog_length"}
    assert not gauges & {"Tcp.RetransSegs", "Udp.RcvbufErrors", "IpExt.InOctets", "Softnet.processed"}
    assert all(value >= 0 for name, value in counters.items() if not is_gauge(name))


def test_a_second_reading_never_runs_backwards() -> None:
    first, second = read_protocol_counters(), read_protocol_counters()
    assert first.keys() <= second.keys()
    assert all(second[name] >= value for name, value in first.items() if not is_gauge(name))


@pytest.mark.root
def test_counts_belong_to_the_namespace_of_the_calling_thread(lab: Lab) -> None:
    before = [run_in(port.namespace, read_protocol_counters) for port in (lab.a, lab.b)]
    with (
        socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind((lab.b.ipv4, 9000))
        for _ in range(7):
            sender.sendto(b"x", (lab.b.ipv4, 9000))
        sent, received = (run_in(port.namespace, read_protocol_counters) for port in (lab.a, lab.b))
    assert sent["Udp.OutDatagrams"] - before[0]["Udp.OutDatagrams"] == 7
    assert received["Ip.InReceives"] - before[1]["Ip.InReceives"] == 7
    assert sent["Ip.InReceives"] == before[0]["Ip.InReceives"]
    assert received["Sockstat.UDP.inuse"] == 1
