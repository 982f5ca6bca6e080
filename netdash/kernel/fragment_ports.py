"""Remembers the ports of first fragments, so that later fragments of the same datagram count in the same flow."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

LIFETIME_NS = 30_000_000_000
"""The time Linux keeps an incomplete IPv4 datagram (net.ipv4.ipfrag_time); identifications are used again later."""

REMEMBERED_DATAGRAMS = 4096
"""Datagrams whose first fragment is remembered; the one not used for longest is forgotten first."""

DATAGRAM_KEY = np.dtype(
    [("source", "<u8", 2), ("destination", "<u8", 2), ("identification", "<u4"), ("protocol", "u1")]
)
"""What fragments of one datagram have in common (RFC 791, RFC 8200 section 4.5); 37 bytes, packed."""


class FragmentPorts:
    """A bounded memory of datagrams, least recently used first."""

    def __init__(self, limit: int = REMEMBERED_DATAGRAMS) -> None:
        self._limit = limit
        self._datagrams: OrderedDict[bytes, tuple[int, int, int]] = OrderedDict()

    def resolve(
        self,
        keys: NDArray[np.void],
        is_first: NDArray[np.bool_],
        protocol: NDArray[np.uint8],
        ports: NDArray[np.uint32],
        time_ns: NDArray[np.uint64],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint32], NDArray[np.bool_]]:
        """The protocol and ports of each fragment's datagram, and whether they are known.

        All arrays have one row per fragment, in the order of the wire: `keys` DATAGRAM_KEY; `protocol` and `ports`
        as read from the fragment itself, which only the first one of a datagram can tell.
        """
        protocol, ports = protocol.copy(), ports.copy()
        known = is_first.copy()
        names = keys.view(f"V{DATAGRAM_KEY.itemsize}").tolist()
        for row, (name, first, now_ns) in enumerate(zip(names, is_first.tolist(), time_ns.tolist(), strict=True)):
            if first:
                self._remember(name, (int(protocol[row]), int(ports[row]), now_ns))
                continue
            found = self._datagrams.get(name)
            if found is not None and now_ns - found[2] < LIFETIME_NS:
                self._datagrams.move_to_end(name)
                protocol[row], ports[row], _ = found
                known[row] = True
        return protocol, ports, known

    def _remember(self, name: bytes, transport: tuple[int, int, int]) -> None:
        self._datagrams[name] = transport
        self._datagrams.move_to_end(name)
        if len(self._datagrams) > self._limit:
            self._datagrams.popitem(last=False)
