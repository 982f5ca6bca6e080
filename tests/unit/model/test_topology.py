"""How interfaces are stacked; sums that count a transfer once."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from netdash.model.headline import TOTAL_INDEX, total_interface
from netdash.model.snapshot import Interface
from netdash.model.topology import parents, tree
from tests.unit.model.builders import interface


def stacked(index: int, name: str, *, master: str | None = None, parent: str | None = None) -> Interface:
    return replace(interface(name, index), kind="veth", master=master, parent=parent)


def test_a_bridge_goes_before_the_device_below() -> None:
    rows = [interface("eth0", 1), stacked(2, "br0"), stacked(3, "eth0.7", master="br0", parent="eth0")]
    assert parents(rows) == {3: 2}
    assert parents([rows[0], stacked(3, "eth0.7", parent="eth0"), stacked(4, "tun0", parent="none")]) == {3: 1}


def test_folding_hides_what_is_virtual_and_counts_it() -> None:
    rows = [
        stacked(1, "br0"),
        replace(interface("eth0", 2), master="br0"),
        stacked(3, "veth0", master="br0"),
        stacked(4, "veth0.5", parent="veth0"),
        stacked(5, "lone"),
    ]
    open_tree = tree(rows, lambda _, __: False)
    assert [(each.interface.name, each.depth) for each in open_tree] == [
        ("br0", 0),
        ("eth0", 1),
        ("veth0", 1),
        ("veth0.5", 2),
        ("lone", 0),
    ]
    folded = tree(rows, lambda _, hidden: hidden == 2)
    assert [(each.interface.name, each.foldable, each.folded) for each in folded] == [
        ("br0", 2, True),
        ("eth0", 0, False),
        ("lone", 0, False),
    ]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=7))
def test_whatever_the_names_say_every_interface_is_there_once(links: list[tuple[int, int]]) -> None:
    rows = [stacked(i + 1, f"i{i}", master=f"i{a}", parent=f"i{b}") for i, (a, b) in enumerate(links)]
    assert sorted(each.interface.index for each in tree(rows, lambda _, __: False)) == [r.index for r in rows]
    assert len(tree(rows, lambda _, __: True)) <= len(rows)


def test_a_long_chain_is_no_recursion() -> None:
    rows = [stacked(i, f"i{i}", parent=f"i{i + 1}") for i in range(1, 3000)]
    placed = tree(rows, lambda _, __: False)
    assert placed[-1].depth == 2998


def test_total_of_physical_interfaces() -> None:
    assert total_interface([interface("eth0", 1), stacked(2, "br0")]) is None
    rows = [
        replace(interface("eth0", 1, rx_bytes=5, tx_bytes=None), speed_bps=10**9),
        replace(interface("eth1", 2, rx_bytes=None, tx_bytes=None), speed_bps=10**9),
        replace(interface("eth2", 3), state="down"),
        stacked(4, "br0"),
    ]
    total = total_interface(rows)
    assert total is not None
    assert [each.name for each in total.members] == ["eth0", "eth1", "eth2"]
    assert (total.sum.index, total.sum.rx_bytes, total.sum.speed_bps) == (TOTAL_INDEX, 5, 2 * 10**9)
    assert total.sum.tx_bytes == 0
    without = total_interface([replace(rows[0], speed_bps=None), rows[1]])
    assert without is not None
    assert without.sum.speed_bps is None
