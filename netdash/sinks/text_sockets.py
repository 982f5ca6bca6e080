"""Sockets as text, in the columns of ss -tunap (ss(8)), with round-trip time and retransmits beside them."""

from __future__ import annotations

from typing import Final

import numpy as np

from netdash.model.protocols import protocol_name, state_name
from netdash.model.snapshot import Snapshot
from netdash.model.tables import UNKNOWN
from netdash.model.units import NOT_KNOWN
from netdash.sinks.rows import IPV4, process_names
from netdash.sinks.text_layout import LONG_ROWS, Names, more
from netdash.sinks.text_table import table

_HEADER: Final = (
    "Netid",
    "State",
    "Recv-Q",
    "Send-Q",
    "Local Address:Port",
    "Peer Address:Port",
    "RTT(ms)",
    "Retrans",
    "Process",
)

_MINIMUM: Final = (5, 6, 6, 6, 18, 17, 7, 7, 7)

_STATES: Final = {
    "ESTABLISHED": "ESTAB",
    "SYN_SENT": "SYN-SENT",
    "SYN_RECV": "SYN-RECV",
    "FIN_WAIT1": "FIN-WAIT-1",
    "FIN_WAIT2": "FIN-WAIT-2",
    "TIME_WAIT": "TIME-WAIT",
    "CLOSE": "UNCONN",
    "CLOSE_WAIT": "CLOSE-WAIT",
    "LAST_ACK": "LAST-ACK",
}
"""The words that ss uses (misc/ss.c, sstate_name) where they differ."""


def sockets_text(snapshot: Snapshot, names: Names) -> list[str]:
    """All sockets, by protocol, then state, then local port."""
    sockets = snapshot.sockets
    order = np.lexsort((sockets["local_port"], sockets["state"], sockets["protocol"]))[::-1]
    processes = process_names(snapshot)
    rows = [_row(socket, names, processes) for socket in sockets[order[:LONG_ROWS]]]
    return [
        "Sockets  (queues: bytes of payload; of listeners: connections)",
        *table(_HEADER, rows, (0, 1, len(_HEADER) - 1), _MINIMUM),
        *more(LONG_ROWS, len(sockets), "sockets"),
    ]


def _row(socket: np.void, names: Names, processes: dict[int, str]) -> tuple[str, ...]:
    protocol, pid = int(socket["protocol"]), int(socket["pid"])
    state = state_name(protocol, int(socket["state"])) or NOT_KNOWN
    has_info = bool(socket["has_info"])
    rtt_us = int(socket["rtt_us"])
    return (
        protocol_name(protocol),
        _STATES.get(state, state),
        str(socket["rqueue"]),
        str(socket["wqueue"]),
        _endpoint(socket, "local", names),
        _endpoint(socket, "remote", names),
        f"{rtt_us / 1000:.3f}" if has_info and rtt_us else NOT_KNOWN,
        str(socket["retransmits"]) if has_info else NOT_KNOWN,
        "" if pid == UNKNOWN else f'users:(("{processes.get(pid, NOT_KNOWN)}",pid={pid}))',
    )


def _endpoint(socket: np.void, side: str, names: Names) -> str:
    address, port, protocol = socket[side].tobytes(), int(socket[f"{side}_port"]), int(socket["protocol"])
    if not any(address) and socket["family"] == IPV4:
        return f"0.0.0.0:{names.port(port, protocol)}"
    return names.endpoint(address, port, protocol)
