"""Addresses of whole columns: in a network, among some, or matching a text, without writing out each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.model.filter.syntax import Match, Matcher, Network
from netdash.model.hashing import address_words, hash_columns
from netdash.model.snapshot import Interface
from netdash.model.tables import address_text, pack_address

Mask = NDArray[np.bool_]

_IPV4_CHARS: Final = frozenset("0123456789.")
_IPV6_CHARS: Final = frozenset("0123456789abcdef:")
_ADDRESS_CHARS: Final = "0123456789abcdef.:"
_IPV4_BITS: Final = 96
"""A network of fewer bits is one of IPv6, also where it would hold ::ffff:0:0/96."""
_IPV4_MASK: Final = np.uint64(0xFFFFFFFF)
_IPV4_WORD: Final = np.uint64(0xFFFF0000)
"""The second half of ::ffff:a.b.c.d as a little-endian number without the address."""
_OCTETS: Final = tuple(str(number) for number in range(256))


class Addresses:
    """A column of addresses, shape (n, 16); all zero is no address, which matches only itself."""

    def __init__(self, column: NDArray[np.uint8]) -> None:
        self._bytes = np.ascontiguousarray(column)
        self._low, self._high = address_words(self._bytes)

    def __len__(self) -> int:
        return len(self._bytes)

    def in_network(self, network: Network) -> Mask:
        """Those in a network."""
        bits = ((1 << network.prefix) - 1) << (128 - network.prefix)
        masks = np.frombuffer(bits.to_bytes(16), "<u8")
        wanted = np.frombuffer(network.address, "<u8") & masks
        mask: Mask = (self._high & masks[1]) == wanted[1]
        # Of IPv4 addresses the other half is one of a few: mostly nothing is left to compare.
        if mask.any():
            mask &= (self._low & masks[0]) == wanted[0]
        if network.prefix < 128:
            mask &= self._is_address()
        if network.prefix < _IPV4_BITS:
            mask &= ~self._is_ipv4()
        return mask

    def any_of(self, wanted: Iterable[bytes]) -> Mask:
        """Those that are among some packed ones."""
        packed = np.frombuffer(b"".join(wanted), np.uint8).reshape(-1, 16)
        if not len(packed):
            return np.zeros(len(self), np.bool_)
        return np.isin(hash_columns(self._low, self._high), hash_columns(*address_words(packed)))

    def matching(self, matcher: Matcher) -> Mask:
        """Those whose text matches."""
        mask = np.zeros(len(self), np.bool_)
        if not isinstance(matcher, Match) or matcher.how != "part":
            if not isinstance(matcher, Match) and not matcher.can_match(_ADDRESS_CHARS):
                return mask
            return self._searched(np.flatnonzero(self._is_address()), matcher)
        text = matcher.text.lower()
        if _IPV4_CHARS.issuperset(text):
            mask |= self._is_ipv4() & _ipv4_contains(self._bytes[:, 12:], text)
        if _IPV6_CHARS.issuperset(text):
            mask |= self._searched(np.flatnonzero(~self._is_ipv4() & self._is_address()), matcher)
        return mask

    def _is_address(self) -> Mask:
        mask: Mask = (self._low | self._high) != 0
        return mask

    def _is_ipv4(self) -> Mask:
        mask: Mask = (self._low == 0) & ((self._high & _IPV4_MASK) == _IPV4_WORD)
        return mask

    def _searched(self, places: NDArray[np.intp], matcher: Matcher) -> Mask:
        """Of the addresses at `places`, each distinct one written out and searched once."""
        mask = np.zeros(len(self), np.bool_)
        if len(places):
            packed: list[bytes] = self._bytes[places].view("V16").ravel().tolist()
            found = {address for address in set(packed) if _is_found(matcher, address)}
            mask[places] = np.fromiter(map(found.__contains__, packed), np.bool_, len(packed))
        return mask


def packed_addresses(interfaces: Iterable[Interface]) -> list[bytes]:
    """The addresses of interfaces, which stand there with their prefix length."""
    return [pack_address(text.partition("/")[0]) for interface in interfaces for text in interface.addresses]


@lru_cache(1 << 18)
def _is_found(matcher: Matcher, address: bytes) -> bool:
    """Remembered: the same addresses come every interval, and a new one takes some microseconds."""
    return matcher.search(address_text(address))


def _ipv4_contains(octets: NDArray[np.uint8], text: str) -> Mask:
    """Whether the text of an address of 4 octets contains `text`, by tables of all 256 octets."""
    mask = np.zeros(len(octets), np.bool_)
    parts = text.split(".")
    if len(parts) > 4:
        return mask
    if len(parts) == 1:
        table = _table(lambda octet: text in octet)
        for place in range(4):
            mask |= table[octets[:, place]]
        return mask
    tables = [_table(part.__eq__) for part in parts]
    tables[0] = _table(lambda octet: octet.endswith(parts[0]))
    tables[-1] = _table(lambda octet: octet.startswith(parts[-1]))
    for start in range(5 - len(parts)):
        here = np.ones(len(octets), np.bool_)
        for place, table in enumerate(tables):
            here &= table[octets[:, start + place]]
        mask |= here
    return mask


def _table(wanted: Callable[[str], bool]) -> Mask:
    return np.fromiter(map(wanted, _OCTETS), np.bool_, 256)
