"""The protocol history: sums by interface and kernel counters."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netdash.model.history import ProtocolHistory
from netdash.model.protocol_history import MAX_INTERFACES
from netdash.model.snapshot import InterfaceProtocols, SizeBucket, Traffic
from tests.ui.fixtures import interface, snapshot

traffics = st.builds(Traffic, *(st.integers(0, 2**40) for _ in range(4)))
tables = st.dictionaries(
    st.sampled_from(["eth0", "eth1", "wg0"]),
    st.builds(
        InterfaceProtocols,
        ipv4=traffics,
        broadcast=traffics,
        sizes=st.builds(lambda a, b: (SizeBucket(1, 64, a, b), SizeBucket(65, None, b, a)), *[st.integers(0, 99)] * 2),
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(tables, min_size=1, max_size=10))
def test_totals_equal_the_plain_sums(story: list[dict[str, InterfaceProtocols]]) -> None:
    history = ProtocolHistory()
    for tick, table in enumerate(story, 1):
        history.update(snapshot(tick, protocols=table))
    figures = history.figures
    for name in {name for table in story for name in table}:
        of_name = [table[name] for table in story if name in table]
        assert figures.interfaces[name].total.ipv4 == sum((p.ipv4 for p in of_name), Traffic())
        assert figures.interfaces[name].total.sizes[0].rx_packets == sum(p.sizes[0].rx_packets for p in of_name)
        assert figures.interfaces[name].last == story[-1].get(name, InterfaceProtocols())
    together = figures.combined(["eth0", "eth1", "missing"])
    assert together.total.broadcast == sum(
        (table[name].broadcast for table in story for name in ("eth0", "eth1") if name in table), Traffic()
    )


def test_kernel_counters_are_added_and_gauges_are_as_they_are() -> None:
    history = ProtocolHistory()
    history.update(snapshot(0, gauges={"Sockstat.TCP.inuse": 4}))
    assert history.figures.gauges == {"Sockstat.TCP.inuse": 4}
    assert history.figures.interval == 0.0
    history.update(snapshot(1, counters={"Tcp.RetransSegs": 3}, gauges={"Sockstat.TCP.inuse": 5}))
    history.update(snapshot(2, counters={"Tcp.RetransSegs": 4, "Udp.InErrors": 1}))
    assert history.figures.counters == {"Tcp.RetransSegs": 4, "Udp.InErrors": 1}
    assert history.figures.counter_totals == {"Tcp.RetransSegs": 7, "Udp.InErrors": 1}


def test_sizes_of_other_bounds_replace_the_old() -> None:
    history = ProtocolHistory()
    history.update(snapshot(1, protocols={"eth0": InterfaceProtocols(sizes=(SizeBucket(1, None, 5, 5),))}))
    halves = (SizeBucket(1, 75, 1, 1), SizeBucket(76, None, 2, 2))
    history.update(snapshot(2, protocols={"eth0": InterfaceProtocols(sizes=halves)}))
    assert history.figures.interfaces["eth0"].total.sizes == halves


def test_a_host_full_of_containers_does_not_push_out_its_own_interface() -> None:
    history = ProtocolHistory()
    some = InterfaceProtocols(ipv4=Traffic(1, 100, 1, 100))
    interfaces = [interface(), *(interface(f"v{i}", i + 10, kind="veth") for i in range(2 * MAX_INTERFACES))]
    for tick in (1, 2):
        history.update(snapshot(tick, interfaces=interfaces, protocols={each.name: some for each in interfaces}))
    assert len(history.figures.interfaces) == MAX_INTERFACES
    for name in ("eth0", "v0"):
        assert history.figures.interfaces[name].total.ipv4 == Traffic(2, 200, 2, 200)
    assert interfaces[-1].name not in history.figures.interfaces
