"""One number for a pair of ends, whichever of them sends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netdash.model.hashing import address_words, hash_columns
from netdash.model.protocols import PORT_PROTOCOLS

_PORTED = np.zeros(256, np.bool_)
_PORTED[list(PORT_PROTOCOLS)] = True


def pair_ids(
    rows: NDArray[np.void], one: tuple[str, str] = ("source", "source_port"), other: tuple[str, str] | None = None
) -> NDArray[np.uint64]:
    """A hash of protocol, both addresses and both ports, the same for both directions; ICMP without its types.

    `rows`: a table with the columns `protocol`, `one` and `other` (address, port), such as FLOW_KEY or FLOW_ROW.
    """
    ends = []
    for address, port in (one, other or ("destination", "destination_port")):
        ports = np.where(_PORTED[rows["protocol"]], rows[port], 0).astype(np.uint64)
        ends.append(hash_columns(ports, *address_words(rows[address])))
    return hash_columns(ends[0] + ends[1], rows["protocol"].astype(np.uint64))


def flow_pair_ids(rows: NDArray[np.void]) -> NDArray[np.uint64]:
    """The same of FLOW_ROW rows."""
    return pair_ids(rows, ("local", "local_port"), ("remote", "remote_port"))
