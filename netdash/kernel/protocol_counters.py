"""The kernel's protocol counters: /proc/net/snmp, snmp6, netstat, sockstat, sockstat6 and softnet_stat.

All but softnet_stat belong to the calling thread's network namespace; softnet_stat is the whole machine's.
Layouts: net/ipv4/proc.c, net/ipv6/proc.c, net/core/net-procfs.c. Names are the kernel's, with a dot after the
protocol: `Tcp.RetransSegs`, `Udp6.InErrors`, `TcpExt.ListenOverflows`, `Sockstat.TCP.inuse`, `Softnet.dropped`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_SNMP6_NAME = re.compile(r"([A-Z][A-Za-z]*?6)([A-Z]\w*)", re.ASCII)

_SOFTNET_COLUMNS = {
    "processed": 0,
    "dropped": 1,
    "time_squeeze": 2,
    "received_rps": 9,
    "flow_limit": 10,
    "backlog_length": 11,
}
"""Columns of softnet_stat, 32-bit hexadecimal each; an old kernel has fewer."""

GAUGES = frozenset(
    {
        "Ip.Forwarding",
        "Ip.DefaultTTL",
        "Tcp.RtoAlgorithm",
        "Tcp.RtoMin",
        "Tcp.RtoMax",
        "Tcp.MaxConn",
        "Tcp.CurrEstab",
        "MPTcpExt.MPCurrEstab",
        "Softnet.backlog_length",
    }
)
"""Names, outside of sockstat, whose value is a state and not a count since boot (RFC 1213; Tcp.MaxConn is -1)."""


def is_gauge(name: str) -> bool:
    """True if the value tells a present state (sockets in use, memory), so that a difference says nothing."""
    return name in GAUGES or name.startswith("Sockstat.")


def read_protocol_counters() -> dict[str, int]:
    """All counters and gauges by name. A file that is missing (no IPv6, say) leaves its names out.

    `Softnet.*` are sums of 32-bit counters, one per CPU: one of them wrapping makes the sum fall by 2**32.
    """
    counters: dict[str, int] = {}
    for path, parse in _SOURCES:
        try:
            with open(path, "rb", buffering=0) as file:
                text = file.read()
        except OSError:
            continue
        counters.update(parse(text))
    return counters


def parse_snmp(text: bytes) -> dict[str, int]:
    """snmp and netstat: pairs of lines, `Tcp: name name …` above `Tcp: number number …`. Never raises."""
    counters: dict[str, int] = {}
    names_of: dict[str, list[str]] = {}
    for line in _complete_lines(text):
        prefix, _, rest = line.partition(":")
        fields = rest.split()
        names = names_of.pop(prefix, None)
        if names is None:
            names_of[prefix] = fields
            continue
        for name, field in zip(names, fields, strict=False):
            _store(counters, f"{prefix}.{name}", field)
    return counters


def parse_snmp6(text: bytes) -> dict[str, int]:
    """snmp6: one `Ip6InReceives   number` per line; the name is cut behind its first 6. Never raises."""
    counters: dict[str, int] = {}
    for line in _complete_lines(text):
        fields = line.split()
        if len(fields) == 2 and (match := _SNMP6_NAME.fullmatch(fields[0])):
            _store(counters, f"{match[1]}.{match[2]}", fields[1])
    return counters


def parse_sockstat(text: bytes) -> dict[str, int]:
    """sockstat and sockstat6: `TCP: inuse 5 orphan 0 …` per line, all gauges. Memory is in pages. Never raises."""
    gauges: dict[str, int] = {}
    for line in _complete_lines(text):
        protocol, _, rest = line.partition(":")
        fields = rest.split()
        for name, field in zip(fields[::2], fields[1::2], strict=False):
            _store(gauges, f"Sockstat.{protocol}.{name}", field)
    return gauges


def parse_softnet(text: bytes) -> dict[str, int]:
    """softnet_stat: one line of hexadecimal columns per CPU, summed over the CPUs. Never raises."""
    totals: dict[str, int] = {}
    for line in _complete_lines(text):
        fields = line.split()
        for name, column in _SOFTNET_COLUMNS.items():
            if column >= len(fields):
                break
            try:
                value = int(fields[column], 16)
            except ValueError:
                continue
            totals[f"Softnet.{name}"] = totals.get(f"Softnet.{name}", 0) + value
    return totals


def _complete_lines(text: bytes) -> list[str]:
    # What follows the last newline is cut off in the middle, and so would be its last number.
    return text.decode("ascii", "backslashreplace").split("\n")[:-1]


def _store(counters: dict[str, int], name: str, field: str) -> None:
    try:
        counters[name] = int(field)
    except ValueError:
        return


_SOURCES: tuple[tuple[str, Callable[[bytes], dict[str, int]]], ...] = (
    ("/proc/thread-self/net/snmp", parse_snmp),
    ("/proc/thread-self/net/netstat", parse_snmp),
    ("/proc/thread-self/net/snmp6", parse_snmp6),
    ("/proc/thread-self/net/sockstat", parse_sockstat),
    ("/proc/thread-self/net/sockstat6", parse_sockstat),
    ("/proc/net/softnet_stat", parse_softnet),
)
