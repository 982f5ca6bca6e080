"""The SSH connection that the user looks through: whatever is drawn over it is traffic too, and can be left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.packet_ends import PacketEnds
from netdash.model.protocols import TCP
from netdash.model.tables import UNKNOWN, pack_address

_FIELDS: Final = 4
MAX_TEXT_CHARACTERS: Final = 256


@dataclass(frozen=True, slots=True)
class OwnSession:
    """The two ends of the user's own SSH connection; addresses of 16 bytes."""

    local: bytes
    local_port: int
    remote: bytes
    remote_port: int

    def rows(self, table: NDArray[np.void]) -> NDArray[np.bool_]:
        """Which rows of flows (FLOW_ROW) or sockets (SOCKET_ROW) are this connection, seen from either end."""
        rows: NDArray[np.bool_] = np.zeros(len(table), np.bool_)
        ports = (table["protocol"] == TCP) & (
            ((table["local_port"] == self.local_port) & (table["remote_port"] == self.remote_port))
            | ((table["local_port"] == self.remote_port) & (table["remote_port"] == self.local_port))
        )
        for index in np.flatnonzero(ports):
            ends = bytes(table["local"][index]), bytes(table["remote"][index])
            rows[index] = ends in ((self.local, self.remote), (self.remote, self.local))
        return rows

    def carries(self, ends: PacketEnds) -> bool:
        """Whether a packet is of this connection."""
        here, there = (self.local, self.local_port), (self.remote, self.remote_port)
        source, destination = (ends.source, ends.source_port), (ends.destination, ends.destination_port)
        return ends.protocol == TCP and (source, destination) in ((here, there), (there, here))

    def pids(self, table: NDArray[np.void]) -> frozenset[int]:
        """The processes that carry it: sshd serves each connection by a process of its own."""
        return frozenset(int(pid) for pid in table["pid"][self.rows(table)]) - {UNKNOWN}


def parse_ssh_connection(text: str) -> OwnSession | None:
    """What SSH_CONNECTION says: client address, client port, server address, server port (ssh(1) "ENVIRONMENT").

    None when it says something else.
    """
    fields = text[:MAX_TEXT_CHARACTERS].split()
    if len(fields) != _FIELDS:
        return None
    client, client_port, server, server_port = fields
    try:
        return OwnSession(
            pack_address(server.partition("%")[0]),
            _port(server_port),
            pack_address(client.partition("%")[0]),
            _port(client_port),
        )
    except ValueError:
        return None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise ValueError(text)
    return int(text)
