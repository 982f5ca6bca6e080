"""Snapshots as a hostile host or a damaged file could have them, for hypothesis."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdash.model.snapshot import (
    Accounting,
    Health,
    Interface,
    InterfaceProtocols,
    Mode,
    Process,
    SizeBucket,
    Snapshot,
    Traffic,
)
from netdash.model.tables import (
    FLOW_ROW,
    SOCKET_ROW,
    STATION_ROW,
)

_TEXT = st.text(st.characters(codec=None), max_size=40)
_MAYBE_TEXT = st.none() | _TEXT
_FIGURE = st.none() | st.integers(0, 2**63 - 1)
_SECONDS = st.floats(allow_nan=False, allow_infinity=False)
_TRAFFIC = st.builds(Traffic, *[st.integers(0, 2**62)] * 4)


def _table(dtype: np.dtype[np.void]) -> st.SearchStrategy[NDArray[np.void]]:
    """Rows of arbitrary bytes: every value that a recording could hold."""
    size = dtype.itemsize
    return st.integers(0, 5).flatmap(
        lambda rows: st.binary(min_size=rows * size, max_size=rows * size).map(lambda data: np.frombuffer(data, dtype))
    )


snapshots = st.builds(
    Snapshot,
    time=_SECONDS,
    monotonic_ns=st.integers(0, 2**62),
    interval=st.floats(0.001, 1e6),
    host=_TEXT,
    mode=st.builds(
        Mode,
        st.sampled_from(("ebpf", "ring", "sockets", "pcap", "recording")),
        st.sampled_from(("exact", "hooks", "scan", "own", "none")),
    ),
    health=st.builds(Health, st.integers(0, 2**62), st.integers(0, 2**62), st.lists(_TEXT, max_size=3).map(tuple)),
    accounting=st.dictionaries(
        _TEXT,
        st.builds(
            Accounting,
            st.sampled_from(("segments", "super-packets")),
            _FIGURE,
            _FIGURE,
            *[st.integers(0, 2**62)] * 4,
        ),
        max_size=2,
    ),
    interfaces=st.lists(
        st.builds(
            Interface,
            _TEXT,
            st.integers(1, 2**31 - 1),
            _TEXT,
            _TEXT,
            _FIGURE,
            st.integers(0, 2**32 - 1),
            _MAYBE_TEXT,
            st.lists(_TEXT, max_size=3).map(tuple),
            _MAYBE_TEXT,
            *[_FIGURE] * 10,
        ),
        max_size=3,
    ).map(tuple),
    processes=st.lists(
        st.builds(
            Process,
            st.integers(1, 2**22),
            st.integers(0, 2**62),
            _SECONDS,
            _TEXT,
            _TEXT,
            _TEXT,
            _MAYBE_TEXT,
            _MAYBE_TEXT,
            *[_FIGURE] * 6,
            st.integers(0, 2**31),
            st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    flows=_table(FLOW_ROW),
    sockets=_table(SOCKET_ROW),
    protocols=st.dictionaries(
        _TEXT,
        st.builds(
            InterfaceProtocols,
            *[_TRAFFIC] * 9,
            st.lists(
                st.builds(
                    SizeBucket,
                    st.integers(0, 2**31),
                    st.none() | st.integers(0, 2**31),
                    st.integers(0, 2**62),
                    st.integers(0, 2**62),
                ),
                max_size=3,
            ).map(tuple),
        ),
        max_size=2,
    ),
    stations=_table(STATION_ROW),
    counters=st.dictionaries(_TEXT, st.integers(-(2**62), 2**62), max_size=3),
    gauges=st.dictionaries(_TEXT, st.integers(-(2**62), 2**62), max_size=3),
)
"""Hostile snapshots: names of any characters, counters at their limits, tables of arbitrary bytes."""
