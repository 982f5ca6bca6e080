"""Which rows of a table match a tree: masks made of whole columns, names asked once for each that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from netdash.model.filter.addresses import Addresses, packed_addresses
from netdash.model.filter.context import Figures, FilterContext
from netdash.model.filter.syntax import (
    Amount,
    And,
    Hosts,
    Leaf,
    Match,
    Matcher,
    Names,
    Node,
    Not,
    Numbers,
    Or,
    Protocols,
    States,
    Text,
)
from netdash.model.protocols import ETHERTYPE_IPV4, ETHERTYPE_IPV6, protocol_name, state_name
from netdash.model.snapshot import Interface, Process

Mask = NDArray[np.bool_]

_LARGEST_WANTED = 1 << 23
"""Beyond all process numbers (PID_MAX_LIMIT of include/linux/threads.h is 2^22); larger ones are in no table."""


class Rows(Protocol):
    """A table that can be asked about a leaf of the tree."""

    def __len__(self) -> int: ...

    def matching(self, leaf: Leaf) -> Mask:
        """The rows that match one leaf."""


def matching_rows(node: Node, rows: Rows) -> Mask:
    """The rows that match a tree."""
    if isinstance(node, Not):
        return ~matching_rows(node.child, rows)
    if isinstance(node, And):
        mask = np.ones(len(rows), np.bool_)
        for child in node.children:
            mask &= matching_rows(child, rows)
        return mask
    if isinstance(node, Or):
        mask = np.zeros(len(rows), np.bool_)
        for child in node.children:
            mask |= matching_rows(child, rows)
        return mask
    return rows.matching(node)


class ConnectionRows:
    """FLOW_ROW or SOCKET_ROW: both have ends, ports, a protocol, a state and perhaps a process."""

    def __init__(self, table: NDArray[np.void], context: FilterContext, figures: Callable[[], Figures]) -> None:
        self._table = table
        self._context = context
        self._figures = figures
        self._is_flows = "ethertype" in (table.dtype.names or ())
        self._columns: dict[str, NDArray[np.generic]] = {}
        self._ends: dict[str, Addresses] = {}

    def _column(self, name: str) -> NDArray[np.generic]:
        """A column as it lies best for many comparisons."""
        if name not in self._columns:
            self._columns[name] = np.ascontiguousarray(self._table[name])
        return self._columns[name]

    def _end(self, side: str) -> Addresses:
        if side not in self._ends:
            self._ends[side] = Addresses(self._table[side])
        return self._ends[side]

    def __len__(self) -> int:
        return len(self._table)

    def matching(self, leaf: Leaf) -> Mask:
        """As `Rows`."""
        match leaf:
            case Text():
                return self._text(leaf.matcher)
            case Names(word="iface"):
                return self._on_interfaces(partial(_interface_named, leaf.matchers))
            case Names():
                return self._named(leaf)
            case Numbers():
                return self._numbers(leaf)
            case Hosts():
                return self._hosts(leaf)
            case Protocols():
                return self._protocols(leaf)
            case States():
                return self._state(leaf.names.__contains__)
            case Amount():
                return amount_mask(leaf, self._figures(), self._context)

    def _text(self, matcher: Matcher) -> Mask:
        mask = self._of_processes(partial(_process_says, matcher))
        mask |= self._on_interfaces(lambda interface: matcher.search(interface.name))
        mask |= self._protocol_named(matcher.search)
        mask |= self._state(matcher.search)
        mask |= self._addresses(matcher)
        number = _number_of(matcher)
        if number is not None:
            for name in ("local_port", "remote_port", "pid"):
                mask |= _isin(self._column(name), [number])
        return mask

    def _named(self, leaf: Names) -> Mask:
        mask = self._of_processes(partial(_process_named, leaf))
        if leaf.word == "user" and not self._is_flows:
            mask |= _isin(self._column("uid"), [uid for uid in map(_number_of, leaf.matchers) if uid is not None])
        return mask

    def _numbers(self, leaf: Numbers) -> Mask:
        columns = {"pid": ("pid",), "sport": ("local_port",), "dport": ("remote_port",)}.get(
            leaf.word, ("local_port", "remote_port")
        )
        mask = np.zeros(len(self), np.bool_)
        for name in columns:
            column = self._column(name).astype(np.int64)
            for first, last in leaf.ranges:
                mask |= column == first if first == last else (column >= first) & (column <= last)
        return mask

    def _hosts(self, leaf: Hosts) -> Mask:
        mask = np.zeros(len(self), np.bool_)
        for side in ("local", "remote"):
            for network in leaf.networks:
                mask |= self._end(side).in_network(network)
        for matcher in leaf.matchers:
            mask |= self._addresses(matcher)
        return mask

    def _addresses(self, matcher: Matcher) -> Mask:
        named = [address for address, name in self._context.host_names().items() if matcher.search(name)]
        mask = np.zeros(len(self), np.bool_)
        for side in ("local", "remote"):
            mask |= self._end(side).matching(matcher)
            mask |= self._end(side).any_of(named)
        return mask

    def _of_processes(self, wanted: Callable[[Process], bool]) -> Mask:
        return _isin(self._column("pid"), [pid for pid, p in self._context.processes.items() if wanted(p)])

    def _on_interfaces(self, wanted: Callable[[Interface], bool]) -> Mask:
        chosen = [interface for interface in self._context.interfaces if wanted(interface)]
        mask = _isin(self._column("ifindex"), [interface.index for interface in chosen])
        if not self._is_flows and chosen:
            # A socket that is not bound to an interface belongs to that of its address; on any address, to all.
            mask |= self._end("local").any_of([*packed_addresses(chosen), bytes(16)])
        return mask

    def _protocols(self, leaf: Protocols) -> Mask:
        protocol = self._column("protocol")
        if not self._is_flows:
            mask = _isin(protocol, leaf.ip_protocols)
            return mask | _isin(self._column("family"), [{4: 4, 6: 6}[family] for family in leaf.families])
        ethertype = self._column("ethertype")
        mask = _isin(protocol, leaf.ip_protocols) & _isin(ethertype, (ETHERTYPE_IPV4, ETHERTYPE_IPV6, 0))
        families = {4: ETHERTYPE_IPV4, 6: ETHERTYPE_IPV6}
        return mask | _isin(ethertype, leaf.ethertypes | {families[family] for family in leaf.families})

    def _protocol_named(self, wanted: Callable[[str], bool]) -> Mask:
        mask = np.zeros(len(self), np.bool_)
        protocols = self._column("protocol")
        ethertypes = self._column("ethertype") if self._is_flows else np.zeros(len(self), np.uint16)
        for ethertype in _distinct(ethertypes):
            of_type = ethertypes == ethertype
            named = [n for n in _distinct(protocols[of_type]) if wanted(protocol_name(n, ethertype))]
            mask |= of_type & _isin(protocols, named)
        return mask

    def _state(self, wanted: Callable[[str], bool]) -> Mask:
        mask = np.zeros(len(self), np.bool_)
        protocols, states = self._column("protocol"), self._column("state")
        for protocol in _distinct(protocols):
            of_protocol = protocols == protocol
            names = {state: state_name(protocol, state) for state in _distinct(states[of_protocol])}
            chosen = [state for state, name in names.items() if name is not None and wanted(name)]
            mask |= of_protocol & _isin(states, chosen)
        return mask


class ProcessRows:
    """Processes, asked one by one."""

    def __init__(self, processes: tuple[Process, ...], context: FilterContext, figures: Callable[[], Figures]) -> None:
        self._processes = processes
        self._context = context
        self._figures = figures

    def __len__(self) -> int:
        return len(self._processes)

    def matching(self, leaf: Leaf) -> Mask:
        """As `Rows`; no row for a word that is not a process's."""
        match leaf:
            case Text():
                return self._each(partial(_process_says, leaf.matcher))
            case Names():
                return self._each(partial(_process_named, leaf))
            case Numbers(word="pid"):
                return self._each(lambda p: any(first <= p.pid <= last for first, last in leaf.ranges))
            case Amount():
                return amount_mask(leaf, self._figures(), self._context)
            case _:
                return np.zeros(len(self), np.bool_)

    def _each(self, wanted: Callable[[Process], bool]) -> Mask:
        return np.fromiter(map(wanted, self._processes), np.bool_, len(self))


class InterfaceRows:
    """Interfaces, asked one by one."""

    def __init__(
        self, interfaces: tuple[Interface, ...], context: FilterContext, figures: Callable[[], Figures]
    ) -> None:
        self._interfaces = interfaces
        self._context = context
        self._figures = figures

    def __len__(self) -> int:
        return len(self._interfaces)

    def matching(self, leaf: Leaf) -> Mask:
        """As `Rows`; no row for a word that is not an interface's."""
        match leaf:
            case Text():
                return self._each(partial(_interface_says, leaf.matcher))
            case Names(word="iface"):
                return self._each(partial(_interface_named, leaf.matchers))
            case States():
                return self._each(lambda interface: interface.state in leaf.names)
            case Amount():
                return amount_mask(leaf, self._figures(), self._context)
            case _:
                return np.zeros(len(self), np.bool_)

    def _each(self, wanted: Callable[[Interface], bool]) -> Mask:
        return np.fromiter(map(wanted, self._interfaces), np.bool_, len(self))


def amount_mask(leaf: Amount, figures: Figures, context: FilterContext) -> Mask:
    """What is not known matches no comparison."""
    values = figures.rates if leaf.word == "rate" else figures.totals
    limit = leaf.bytes_wanted(context.bits)
    match leaf.comparison:
        case ">":
            return values > limit
        case ">=":
            return values >= limit
        case "<":
            return values < limit
        case "<=":
            return values <= limit


_PROCESS_NAMES: Mapping[str, Callable[[Process], str | None]] = {
    "proc": lambda p: p.name,
    "user": lambda p: p.user,
    "unit": lambda p: p.unit,
    "container": lambda p: p.container,
}


def _process_named(leaf: Names, process: Process) -> bool:
    name = _PROCESS_NAMES[leaf.word](process) if leaf.word in _PROCESS_NAMES else None
    return name is not None and any(matcher.search(name) for matcher in leaf.matchers)


def _process_says(matcher: Matcher, process: Process) -> bool:
    texts = (process.name, process.command, process.user, process.unit, process.container)
    is_number = isinstance(matcher, Match) and matcher.text == str(process.pid)
    return is_number or any(text is not None and matcher.search(text) for text in texts)


def _interface_named(matchers: tuple[Matcher, ...], interface: Interface) -> bool:
    return any(matcher.search(interface.name) for matcher in matchers)


def _interface_says(matcher: Matcher, interface: Interface) -> bool:
    i = interface
    texts = (i.name, i.kind, i.state, i.mac, i.master, *i.addresses)
    return any(text is not None and matcher.search(text) for text in texts)


def _number_of(matcher: Matcher) -> int | None:
    if isinstance(matcher, Match) and matcher.text.isascii() and matcher.text.isdigit():
        return int(matcher.text[:10])
    return None


def _distinct(column: NDArray[np.generic]) -> list[int]:
    """The values of a column of bytes or 16-bit numbers; without the sorting of np.unique."""
    found: list[int] = np.flatnonzero(np.bincount(column.astype(np.uint16))).tolist() if len(column) else []
    return found


def _isin(column: NDArray[np.generic], wanted: Iterable[int]) -> Mask:
    """As np.isin, for whole numbers of which those wanted are small: by a table of them."""
    values = np.fromiter(wanted, np.int64)
    values = values[(values >= 0) & (values <= _LARGEST_WANTED)]
    if not len(values):
        return np.zeros(len(column), np.bool_)
    table = np.zeros(int(values.max()) + 2, np.bool_)
    table[values] = True
    # What is below or beyond the table finds its last place, which is False.
    places = column.astype(np.int64)
    mask: Mask = table[np.where((places < 0) | (places >= len(table)), len(table) - 1, places)]
    return mask
