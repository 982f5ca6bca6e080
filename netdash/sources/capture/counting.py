"""A pass over a capture file: every packet counted by the rules of live counting, one snapshot an interval."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdash.collector.accounting import AccountingTable
from netdash.collector.flows import join_directions
from netdash.collector.protocols import interface_protocols
from netdash.collector.stations import station_rows
from netdash.errors import NetdashError
from netdash.kernel.interval_counts import IntervalCounts
from netdash.kernel.packet_batch import ParsedPackets
from netdash.kernel.raw_flow import SIZE_LIMITS
from netdash.model.local_nets import LocalNets
from netdash.model.sanitize import sanitize
from netdash.model.select import InterfaceSelection
from netdash.model.snapshot import Health, Mode, Snapshot
from netdash.model.tables import FLOW_OVERFLOW
from netdash.sources.capture.decoding import PacketDecoder
from netdash.sources.capture.file import CaptureFile, ReadState
from netdash.sources.capture.interfaces import interface_rows
from netdash.sources.capture.interval_clock import IntervalClock, Span
from netdash.sources.capture.link_layer import ETHERNET, link_type_text
from netdash.sources.capture.owners import CommentOwners
from netdash.sources.capture.records import RecordBatch

_NAME_LIMIT: Final = 64
_MAX_REFUSED_NOTES: Final = 16
_LONGEST_FRAME: Final = SIZE_LIMITS[-1] + 4
"""A longer frame was never on an Ethernet: a jumbo frame with a VLAN tag."""


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What a pass is told."""

    interval_seconds: float = 1.0
    selection: InterfaceSelection = field(default_factory=InterfaceSelection)
    local_nets: LocalNets = field(default_factory=LocalNets)
    max_flows: int = 131_072
    from_ns: int | None = None
    """Packets before this time are not counted."""
    to_ns: int | None = None
    """Packets after this time are not counted."""


class CapturePass:
    """Counts a file once, from its beginning to its end or its cut."""

    def __init__(self, file: CaptureFile, options: CaptureOptions) -> None:
        self.state: ReadState = file.begin()
        """How far it has come."""
        self.clock = IntervalClock(options.interval_seconds)
        self._file = file
        self.options = options
        self._host = sanitize(os.path.basename(file.path), _NAME_LIMIT)
        self._decoder = PacketDecoder(self.state, options.local_nets)
        self._links = self._decoder.links
        self._owners = CommentOwners()
        self._counts = IntervalCounts(options.max_flows)
        self._accounting = AccountingTable()
        self._lost_before = 0
        self._lacking_packets = 0
        self._long_packets = 0
        self.stopped = False

    def stop(self) -> None:
        """Ends the pass: what was counted since the last snapshot comes as one more. May be called in any thread."""
        self.stopped = True

    def snapshots(self) -> Iterator[Snapshot]:
        """The baseline, which tells the interfaces of the file's beginning, then one an interval.

        Raises NetdashError when no packet can be counted: none there, none in the time asked for, link types that are
        not supported, or interfaces that are not in the file.
        """
        begun = False
        for records in self._file.batches(self.state):
            packets = self._count_ready(records)
            times = packets.values["last_ns"].astype(np.int64)
            for ended, rows in self.clock.cut(times):
                if not begun:
                    begun = True
                    yield self._baseline(int(times[0]))
                for span in ended:
                    yield self._snapshot(span)
                    if self.stopped:
                        return
                self._counts.add(ParsedPackets(packets.keys[rows], packets.values[rows], packets.segment_bytes[rows]))
            if self.stopped or self._is_past_end(records):
                break
        last = self.clock.finish()
        if last is None:
            raise NetdashError(self._nothing())
        if not self.stopped:
            self._check_selection()
        yield self._snapshot(last)

    def _count_ready(self, records: RecordBatch) -> ParsedPackets:
        """The packets of a batch that count, parsed and with their direction."""
        decoded = self._decoder.decode(records)
        packets = decoded.packets
        self._owners.note(packets.keys, records.comment[decoded.rows], self.state.format.comments)
        self._long_packets += int((packets.values["wire_bytes"] > _LONGEST_FRAME).sum())
        self._lacking_packets += len(records) - len(decoded.rows)
        keep = self._chosen(packets)
        return packets if keep.all() else packets.select(np.flatnonzero(keep))

    def _chosen(self, packets: ParsedPackets) -> NDArray[np.bool_]:
        keep = np.ones(len(packets.keys), np.bool_)
        options, times = self.options, packets.values["last_ns"].astype(np.int64)
        if options.from_ns is not None:
            keep &= times >= options.from_ns
        if options.to_ns is not None:
            keep &= times <= options.to_ns
        if options.selection.patterns:
            chosen = [i + 1 for i, each in enumerate(self._links.interfaces) if options.selection.matches(each.name)]
            keep &= np.isin(packets.keys["ifindex"], np.array(chosen, np.uint32))
        return keep

    def _is_past_end(self, records: RecordBatch) -> bool:
        return self.options.to_ns is not None and int(records.time_ns.min()) > self.options.to_ns

    def _baseline(self, time_ns: int) -> Snapshot:
        return Snapshot(
            time=time_ns / 1e9,
            monotonic_ns=time_ns,
            interval=0.0,
            host=self._host,
            mode=self._mode(),
            health=self._health(0, 0),
            interfaces=interface_rows(self._links.interfaces, self.options.selection, None),
        )

    def _snapshot(self, span: Span) -> Snapshot:
        raw = self._counts.take()
        counted = join_directions(raw)
        flows = counted.rows
        interfaces = interface_rows(self._links.interfaces, self.options.selection, raw)
        names = {i.index: i.name for i in interfaces}
        processes = self._owners.assign(flows)
        lost, self._lost_before = self.state.format.lost_packets - self._lost_before, self.state.format.lost_packets
        accounting = {}
        if self._owners:
            # The file has no counter of the interface's own to compare with.
            uncounted = tuple(replace(i, rx_bytes=None, tx_bytes=None) for i in interfaces)
            accounting = self._accounting.update(uncounted, counted)
        return Snapshot(
            time=span.end_ns / 1e9,
            monotonic_ns=span.end_ns,
            interval=span.seconds,
            host=self._host,
            mode=self._mode(),
            health=self._health(lost, int(((flows["flags"] & FLOW_OVERFLOW) != 0).sum())),
            accounting=accounting,
            interfaces=interfaces,
            processes=processes,
            flows=flows,
            protocols=interface_protocols(raw, names),
            stations=station_rows(raw, self._ethernet(names)),
        )

    def _ethernet(self, indices: Iterable[int]) -> list[int]:
        """The interfaces whose packets are recorded with their Ethernet headers."""
        return [index for index in indices if self._links.interfaces[index - 1].link_type == ETHERNET]

    def _mode(self) -> Mode:
        return Mode("pcap", "exact" if self._owners else "none")

    def _health(self, lost_packets: int, overflow_rows: int) -> Health:
        notes = list(self.state.notes)
        refused = self._links.refused
        notes += [
            f"{sanitize(each.name, _NAME_LIMIT)}: {link_type_text(each.link_type)} is not supported; "
            "its packets are left out"
            for each in refused[:_MAX_REFUSED_NOTES]
        ]
        if len(refused) > _MAX_REFUSED_NOTES:
            notes.append(f"{len(refused) - _MAX_REFUSED_NOTES} more interfaces have link types that are not supported")
        if self.clock.disordered:
            notes.append("packets out of the order of time count in the interval in which they stand in the file")
        if self._long_packets:
            notes.append(
                "packets longer than any Ethernet frame were captured before the network card split them: "
                "each counts as one"
            )
        if overflow_rows:
            notes.append("the flow table is full: some flows share one row (see --max-flows)")
        return Health(lost_packets, overflow_rows, tuple(notes))

    def _check_selection(self) -> None:
        names = [each.name for each in self._links.interfaces]
        missing = self.options.selection.missing(names)
        if missing:
            raise NetdashError(self._no_interface(missing[0]))

    def _no_interface(self, pattern: str) -> str:
        names = ", ".join(sanitize(each.name, 32) for each in self._links.interfaces[:_MAX_REFUSED_NOTES])
        return f"no interface in {self._file.shown_path} matches '{sanitize(pattern, 64)}'; there are: {names}"

    def _nothing(self) -> str:
        """Why there is nothing to show."""
        path, options = self._file.shown_path, self.options
        if self.state.notes:
            return f"{path} has no packet that can be read: {self.state.notes[0]}"
        if self._lacking_packets:
            kinds = sorted({link_type_text(each.link_type) for each in self._links.refused})
            return f"{path} has only packets of {', '.join(kinds[:4])}, which netdash does not read"
        missing = options.selection.missing([each.name for each in self._links.interfaces])
        if missing:
            return self._no_interface(missing[0])
        if options.from_ns is not None or options.to_ns is not None:
            return f"{path} has no packets in the time asked for; see --from and --to"
        return f"{path} has no packets"
