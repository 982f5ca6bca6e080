"""How interfaces are stacked on one another: ports of a bridge, members of a bond, a VLAN on its device."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from netdash.model.snapshot import Interface


@dataclass(frozen=True, slots=True)
class Placed:
    """An interface in the tree."""

    interface: Interface
    depth: int
    foldable: int
    """How many interfaces stand under it that folding hides."""
    folded: bool


def parents(interfaces: Iterable[Interface]) -> dict[int, int]:
    """Index of the interface that one belongs to, by its own index: its bridge or bond, else the device below it.

    Whatever the names say, following it always ends.
    """
    every = list(interfaces)
    index_of = {i.name: i.index for i in every}
    result: dict[int, int] = {}
    for interface in every:
        above = index_of.get(interface.master or "") or index_of.get(interface.parent or "")
        step = above
        while step is not None and step != interface.index:
            step = result.get(step)
        if above is not None and step is None:
            result[interface.index] = above
    return result


def tree(
    interfaces: Sequence[Interface], is_folded: Callable[[Interface, int], bool], *, kept: Collection[int] = ()
) -> list[Placed]:
    """The interfaces in their order, each followed by what belongs to it.

    `is_folded` is asked with an interface and how many would be hidden under it. A physical interface is never hidden,
    nor is what it belongs to, nor are those whose index is in `kept`.
    """
    above = parents(interfaces)
    children: dict[int | None, list[Interface]] = {}
    for interface in interfaces:
        children.setdefault(above.get(interface.index), []).append(interface)
    pinned: set[int] = set()
    for interface in interfaces:
        step = interface.index if interface.kind == "physical" or interface.index in kept else None
        while step is not None and step not in pinned:
            pinned.add(step)
            step = above.get(step)
    below = _sizes(interfaces, above, pinned)
    placed: list[Placed] = []
    waiting = [(interface, 0) for interface in reversed(children.get(None, []))]
    while waiting:
        interface, depth = waiting.pop()
        hidden = below.get(interface.index, 0)
        folded = hidden > 0 and is_folded(interface, hidden)
        placed.append(Placed(interface, depth, hidden, folded))
        under = reversed(children.get(interface.index, []))
        waiting += [(child, depth + 1) for child in under if not folded or child.index in pinned]
    return placed


def _sizes(interfaces: Iterable[Interface], above: dict[int, int], pinned: Collection[int]) -> dict[int, int]:
    """How many unpinned interfaces stand anywhere under each index."""
    sizes: dict[int, int] = {}
    for interface in interfaces:
        step = above.get(interface.index) if interface.index not in pinned else None
        while step is not None:
            sizes[step] = sizes.get(step, 0) + 1
            step = above.get(step)
    return sizes
