"""What the kernel's protocol counters mean, in plain words."""

from __future__ import annotations

from typing import Final

TROUBLE: Final[dict[str, str]] = {
    "Tcp.RetransSegs": "segments sent again: lost on the way",
    "Tcp.AttemptFails": "connection attempts that failed",
    "Tcp.EstabResets": "open connections that were reset",
    "Tcp.InErrs": "broken TCP segments came in",
    "Tcp.InCsumErrors": "TCP checksum wrong",
    "Tcp.OutRsts": "resets sent: closed port or abort",
    "TcpExt.ListenOverflows": "accept queue full: server too slow",
    "TcpExt.ListenDrops": "connections dropped by a listener",
    "TcpExt.TCPReqQFullDrop": "SYN dropped: request queue full",
    "TcpExt.TCPReqQFullDoCookies": "request queue full: SYN cookies",
    "TcpExt.SyncookiesSent": "SYN cookies sent: flood or overload",
    "TcpExt.SyncookiesFailed": "answers with a wrong SYN cookie",
    "TcpExt.TCPTimeouts": "no answer in time: sent again",
    "TcpExt.TCPSynRetrans": "SYN sent again: peer is silent",
    "TcpExt.TCPLostRetransmit": "segments sent again were lost too",
    "TcpExt.TCPFastRetrans": "segments sent again after gaps",
    "TcpExt.TCPSlowStartRetrans": "sent again in slow start",
    "TcpExt.TCPBacklogDrop": "dropped: socket backlog full",
    "TcpExt.TCPRcvQDrop": "dropped: receive queue full",
    "TcpExt.TCPZeroWindowDrop": "dropped: window was closed",
    "TcpExt.TCPOFODrop": "out of order, no room: dropped",
    "TcpExt.TCPMemoryPressures": "TCP ran short of memory",
    "TcpExt.TCPAbortOnMemory": "aborted: out of memory",
    "TcpExt.TCPAbortOnTimeout": "aborted: peer never answered",
    "TcpExt.TCPAbortFailed": "abort without a reset: no memory",
    "TcpExt.PruneCalled": "receive buffer full: pruned",
    "TcpExt.RcvPruned": "dropped: receive buffer full",
    "TcpExt.OfoPruned": "out-of-order queue thrown away",
    "TcpExt.PFMemallocDrop": "dropped: memory reserve only",
    "TcpExt.IPReversePathFilter": "dropped by the reverse path filter",
    "Udp.InErrors": "UDP datagrams lost on receipt",
    "Udp.RcvbufErrors": "UDP receive buffer full: reader slow",
    "Udp.SndbufErrors": "UDP send buffer full",
    "Udp.InCsumErrors": "UDP checksum wrong",
    "Udp.MemErrors": "UDP ran short of memory",
    "Udp.NoPorts": "UDP to a port that nobody reads",
    "UdpLite.InErrors": "UDP-Lite datagrams lost on receipt",
    "UdpLite.RcvbufErrors": "UDP-Lite receive buffer full",
    "UdpLite.InCsumErrors": "UDP-Lite checksum wrong",
    "Ip.InHdrErrors": "IP header broken",
    "Ip.InAddrErrors": "IP address not ours or not valid",
    "Ip.InDiscards": "dropped on receipt: no buffer",
    "Ip.OutDiscards": "dropped on sending: no buffer",
    "Ip.OutNoRoutes": "no route to the destination",
    "Ip.InNoRoutes": "no route for what came in",
    "Ip.InTruncatedPkts": "IP packets cut off",
    "Ip.InTooBigErrors": "too big to be passed on",
    "Ip.ReasmFails": "fragments that never fitted together",
    "Ip.ReasmTimeout": "fragments missing for too long",
    "Ip.FragFails": "could not be fragmented",
    "Ip.InUnknownProtos": "no handler for the protocol",
    "IpExt.InNoRoutes": "no route for what came in",
    "IpExt.InTruncatedPkts": "IP packets cut off",
    "IpExt.InCsumErrors": "IP checksum wrong",
    "Icmp.InErrors": "broken ICMP messages came in",
    "Icmp.InCsumErrors": "ICMP checksum wrong",
    "Icmp.InDestUnreachs": "told: destination unreachable",
    "Icmp.OutDestUnreachs": "we said: destination unreachable",
    "Icmp.InTimeExcds": "told: time to live exceeded",
    "Icmp.InPktTooBigs": "told: packet too big",
    "Softnet.dropped": "dropped before IP: backlog full",
    "Softnet.time_squeeze": "receiving ran out of CPU time",
    "Softnet.flow_limit": "dropped: one flow filled the backlog",
}
"""Counters that do not move on a healthy host, or seldom. Names as in /proc/net/snmp, netstat and softnet_stat;
those of IPv6 (`Udp6.InErrors`) mean the same. Meanings: include/uapi/linux/snmp.h, net/ipv4/proc.c,
RFC 4293, RFC 4022."""

_NORMAL: Final[dict[str, str]] = {
    "Sockstat.sockets.used": "sockets of all kinds",
    "Sockstat.TCP.inuse": "TCP sockets",
    "Sockstat.TCP.orphan": "TCP sockets without a process",
    "Sockstat.TCP.tw": "TCP connections in TIME-WAIT",
    "Sockstat.TCP.alloc": "TCP sockets allocated",
    "Sockstat.TCP.mem": "pages of memory of TCP buffers",
    "Sockstat.UDP.inuse": "UDP sockets",
    "Sockstat.UDP.mem": "pages of memory of UDP buffers",
    "Sockstat.RAW.inuse": "raw sockets",
    "Sockstat.FRAG.inuse": "datagrams waiting for fragments",
    "Sockstat.FRAG.memory": "bytes of fragments that wait",
    "Sockstat.TCP6.inuse": "TCP sockets of IPv6",
    "Sockstat.UDP6.inuse": "UDP sockets of IPv6",
    "Sockstat.RAW6.inuse": "raw sockets of IPv6",
    "Tcp.CurrEstab": "connections established",
    "Softnet.backlog_length": "packets that wait for a CPU",
    "Tcp.ActiveOpens": "connections opened from here",
    "Tcp.PassiveOpens": "connections accepted",
    "Tcp.InSegs": "TCP segments received",
    "Tcp.OutSegs": "TCP segments sent",
    "Udp.InDatagrams": "UDP datagrams received",
    "Udp.OutDatagrams": "UDP datagrams sent",
    "Ip.InReceives": "IP packets received",
    "Ip.InDelivers": "IP packets for this host",
    "Ip.OutRequests": "IP packets sent from here",
    "Ip.OutTransmits": "IP packets handed to interfaces",
    "Ip.ForwDatagrams": "IP packets passed on for others",
    "Ip.OutForwDatagrams": "IP packets passed on for others",
    "Ip.ReasmReqds": "fragments received",
    "Ip.ReasmOKs": "packets put together from fragments",
    "Ip.FragCreates": "fragments made",
    "IpExt.InOctets": "IP bytes received",
    "IpExt.OutOctets": "IP bytes sent",
    "Ip.InOctets": "IP bytes received",
    "Ip.OutOctets": "IP bytes sent",
    "Icmp.InMsgs": "ICMP messages received",
    "Icmp.OutMsgs": "ICMP messages sent",
    "Icmp.InEchos": "pings received",
    "Icmp.OutEchoReps": "pings answered",
    "TcpExt.TW": "connections closed to TIME-WAIT",
    "TcpExt.DelayedACKs": "acknowledgements delayed",
    "Softnet.processed": "packets taken from interfaces",
}


def ipv4_name(name: str) -> str:
    """The name of the same counter of IPv4: "Udp6.InErrors" -> "Udp.InErrors"."""
    prefix, dot, rest = name.partition(".")
    return f"{prefix.removesuffix('6')}{dot}{rest}"


def is_trouble(name: str) -> bool:
    """Whether a counter that moves is a sign that something goes wrong."""
    return ipv4_name(name) in TROUBLE


def meaning(name: str) -> str:
    """A counter in plain words; "" where there are none for it."""
    plain = ipv4_name(name)
    return TROUBLE.get(plain) or _NORMAL.get(plain, "")
