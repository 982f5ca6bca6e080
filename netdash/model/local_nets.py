"""Networks that are "here": `--local-net`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network

import numpy as np
from numpy.typing import NDArray

from netdash.model.tables import IPV4_PREFIX

_MAX_NETS = 256


@dataclass(frozen=True, slots=True)
class LocalNets:
    """Networks of both families; IPv4 ones as they stand in tables, mapped into IPv6."""

    masks: tuple[tuple[int, int, int, int], ...] = ()
    """Mask and masked address of each, as two 64-bit words (big endian)."""

    @classmethod
    def parse(cls, texts: tuple[str, ...]) -> LocalNets:
        """From "10.0.0.0/8", "2001:db8::/32" or an address; host bits may be set. Raises ValueError."""
        if len(texts) > _MAX_NETS:
            raise ValueError(f"more than {_MAX_NETS} networks")
        return cls(tuple(_words(text.strip()) for text in texts))

    def __bool__(self) -> bool:
        return bool(self.masks)

    def contain(self, addresses: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Whether each address of shape (n, 16) lies in one of the networks."""
        words = np.ascontiguousarray(addresses).view(">u8")
        inside = np.zeros(len(addresses), np.bool_)
        for high_mask, low_mask, high, low in self.masks:
            inside |= ((words[:, 0] & np.uint64(high_mask)) == high) & ((words[:, 1] & np.uint64(low_mask)) == low)
        return inside


def _words(text: str) -> tuple[int, int, int, int]:
    network = ip_network(text, strict=False)
    address, prefix = network.network_address.packed, network.prefixlen
    if isinstance(network, IPv4Network):
        address, prefix = IPV4_PREFIX + address, prefix + 96
    mask = ((1 << prefix) - 1) << (128 - prefix)
    whole = int.from_bytes(address, "big")
    low = (1 << 64) - 1
    return mask >> 64, mask & low, whole >> 64, whole & low
