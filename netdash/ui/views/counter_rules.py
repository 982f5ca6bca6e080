"""From when on a kernel counter is abnormal, and what to look at then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netdash.model.protocol_history import ProtocolFigures
from netdash.ui.views.counter_texts import ipv4_name, is_trouble, meaning

_PATH: Final = "Sockets: retr; Interfaces: err, drop"
_BACKLOG: Final = "Sockets, listening (4 s): whose queue is full; its program is slow or its backlog small"
_READER: Final = "Sockets by drops: whose reader is slow; its receive buffer (net.core.rmem_max)"
_MEMORY: Final = "Sockets by queues (4 Q): who holds it; net.ipv4.tcp_mem"
_CABLE: Final = "Interfaces: err; a bad cable, port or offload breaks packets"
_ROUTE: Final = "ip route get ADDRESS; Flows to that address"
_CPU: Final = "CPU load of interrupts (top: si); net.core.netdev_max_backlog, netdev_budget, RPS"
_FRAGMENTS: Final = "the path's MTU; Flows with fragments"
_PEERS: Final = "Flows (2): who asks, and for which port; Sockets, listening: is it open"


@dataclass(frozen=True, slots=True)
class Rule:
    """One counter's limit. Below it the counter moves on healthy hosts, too."""

    limit: float = 0.0
    """Events per second, or a share where `of` is given; abnormal is what is above."""
    of: str = ""
    """The counter whose events are the whole."""
    whole: str = ""
    """What these are."""
    look: str = ""
    """What to look at next."""


RULES: Final[dict[str, Rule]] = {
    "Tcp.RetransSegs": Rule(0.01, "Tcp.OutSegs", "segments sent", _PATH),
    "TcpExt.TCPFastRetrans": Rule(0.01, "Tcp.OutSegs", "segments sent", _PATH),
    "TcpExt.TCPSlowStartRetrans": Rule(0.01, "Tcp.OutSegs", "segments sent", _PATH),
    "TcpExt.TCPLostRetransmit": Rule(1.0, look=_PATH),
    "TcpExt.TCPTimeouts": Rule(1.0, look=_PATH),
    "TcpExt.TCPSynRetrans": Rule(1.0, look="Sockets by trouble (4 !): SYN-SENT without an answer; a firewall?"),
    "TcpExt.TCPAbortOnTimeout": Rule(0.0, look=_PATH),
    "Tcp.AttemptFails": Rule(0.1, "Tcp.ActiveOpens", "attempts", "Flows (2): peers that answer with a reset"),
    "Tcp.EstabResets": Rule(1.0, look="Flows (2): which peer; a program that dies, a proxy's timeout"),
    "Tcp.OutRsts": Rule(5.0, look=_PEERS),
    "Tcp.InErrs": Rule(look=_CABLE),
    "Tcp.InCsumErrors": Rule(look=_CABLE),
    "Udp.InCsumErrors": Rule(look=_CABLE),
    "IpExt.InCsumErrors": Rule(look=_CABLE),
    "Icmp.InCsumErrors": Rule(look=_CABLE),
    "Ip.InHdrErrors": Rule(look=_CABLE),
    "TcpExt.ListenOverflows": Rule(look=_BACKLOG),
    "TcpExt.ListenDrops": Rule(look=_BACKLOG),
    "TcpExt.TCPReqQFullDrop": Rule(look=_BACKLOG),
    "TcpExt.TCPReqQFullDoCookies": Rule(look=_BACKLOG),
    "TcpExt.SyncookiesSent": Rule(look="Flows (2) by packets: a SYN flood, or more clients than the backlog takes"),
    "TcpExt.TCPBacklogDrop": Rule(look=_READER),
    "TcpExt.TCPRcvQDrop": Rule(look=_READER),
    "TcpExt.RcvPruned": Rule(look=_READER),
    "TcpExt.PruneCalled": Rule(look=_READER),
    "TcpExt.TCPOFODrop": Rule(look=_READER),
    "Udp.RcvbufErrors": Rule(look=_READER),
    "Udp.InErrors": Rule(look=_READER),
    "Udp.NoPorts": Rule(5.0, look=_PEERS),
    "Udp.MemErrors": Rule(look=_MEMORY),
    "TcpExt.TCPMemoryPressures": Rule(look=_MEMORY),
    "TcpExt.TCPAbortOnMemory": Rule(look=_MEMORY),
    "Ip.OutNoRoutes": Rule(look=_ROUTE),
    "Ip.InNoRoutes": Rule(look=_ROUTE),
    "IpExt.InNoRoutes": Rule(look=_ROUTE),
    "Ip.ReasmFails": Rule(look=_FRAGMENTS),
    "Ip.ReasmTimeout": Rule(look=_FRAGMENTS),
    "Ip.FragFails": Rule(look=_FRAGMENTS),
    "Icmp.InDestUnreachs": Rule(5.0, look="Flows (2): ICMP, and who sends it"),
    "Icmp.OutDestUnreachs": Rule(5.0, look=_PEERS),
    "Icmp.InTimeExcds": Rule(5.0, look="a routing loop: traceroute ADDRESS"),
    "Softnet.dropped": Rule(look=_CPU),
    "Softnet.time_squeeze": Rule(10.0, look=_CPU),
    "Softnet.flow_limit": Rule(look=_CPU),
}
"""Counters of `counter_texts.TROUBLE` that are not simply abnormal whenever they move, or have something to look at."""

_ANY: Final = Rule()
_LEAST_EVENTS: Final = 3
"""Fewer in an interval are no share of anything."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A counter that was abnormal in the last interval."""

    name: str
    how_much: str
    """"3.2% of segments sent (bad: >1%)"."""
    meaning: str
    look: str


def finding(figures: ProtocolFigures, name: str) -> Finding | None:
    """What is abnormal about a counter now; None where nothing is."""
    moved = figures.counters.get(name, 0)
    if moved <= 0 or figures.interval <= 0.0 or not is_trouble(name):
        return None
    rule = RULES.get(ipv4_name(name), _ANY)
    if rule.of:
        whole = figures.counters.get(rule.of, 0)
        if moved < _LEAST_EVENTS or whole <= 0 or moved / whole <= rule.limit:
            return None
        how_much = f"{moved / whole:.1%} of {rule.whole} (bad: >{rule.limit:.0%})"
    else:
        rate = moved / figures.interval
        if rate <= rule.limit:
            return None
        limit = f"bad: >{rule.limit:g}/s" if rule.limit else "bad whenever it moves"
        how_much = f"{rate:.3g}/s ({limit})"
    return Finding(name, how_much, meaning(name), rule.look)


def findings(figures: ProtocolFigures) -> list[Finding]:
    """Everything that was abnormal in the last interval."""
    found = (finding(figures, name) for name in figures.counters)
    return [each for each in found if each is not None]
