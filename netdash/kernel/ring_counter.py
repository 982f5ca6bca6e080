"""Counts packets from a TPACKET_V3 ring: for machines that refuse eBPF and allow CAP_NET_RAW."""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import Self

import numpy as np

from netdash.errors import NetdashError
from netdash.kernel.capture_filter import CaptureFilter
from netdash.kernel.interval_counts import IntervalCounts
from netdash.kernel.packet_batch import ParsedPackets
from netdash.kernel.packet_parser import PacketParser
from netdash.kernel.packet_ring import RETIRE_MS, RING_BYTES, PacketRing
from netdash.kernel.privileges import drop_privileges
from netdash.kernel.raw_flow import RawCounts
from netdash.kernel.ring_watch import RingWatch
from netdash.kernel.watch_filter import WatchFilter
from netdash.model.packets import WatchedPacket

SETTLE_NS = 4 * RETIRE_MS * 1_000_000
"""After this time a block that was open at a switch is handed over, also where the kernel's timer ticks coarsely."""
PAUSE_MS = 20
"""The reader rests so long after it emptied the ring, so that at low rates not every packet wakes it."""


class RingPacketCounter:
    """A `PacketCounter` on a packet ring. Every packet counts in the interval of its own time stamp.

    One thread owns ring and tables and empties the ring all the time; `switch` and `drain` only leave a message for
    it, so they never wait for a batch being counted. It starts with the first use, not with `open`: a process becomes
    another user (netdash.kernel.privileges) in all its threads, and one that has given its privilege up could not. Till
    then packets wait in the ring.
    """

    layer = "ring"

    def __init__(self, ring: PacketRing, max_flows: int) -> None:
        self.notes = ring.notes
        """What is less exact here than it should be, a sentence each."""
        self._ring = ring
        self._parser = PacketParser()
        self._watch = RingWatch()
        self._open = IntervalCounts(max_flows)
        self._ended = IntervalCounts(max_flows)
        self._ended_ns: int | None = None
        """When the interval in `_ended` ended; None once it is drained."""
        self._switches: deque[tuple[int, int]] = deque()
        """(time, packets lost before it) of switches that the reader has not seen."""
        self._requests: deque[Future[RawCounts]] = deque()
        self._settled_ns = 0
        self._is_closing = False
        self._is_reader_gone = False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._reader = threading.Thread(target=self._run, name="packet-ring", daemon=True)

    @classmethod
    def open(cls, max_flows: int = 131072, ring_bytes: int = RING_BYTES, capture: CaptureFilter | None = None) -> Self:
        """Counts all interfaces of the calling thread's network namespace, also those that come later.

        `max_flows` bounds the flows of one interval, `ring_bytes` (in whole MiB) the kernel memory. Raises
        NotPermittedError without CAP_NET_RAW, NotSupportedError where the kernel has no such ring.
        """
        return cls(PacketRing.open(ring_bytes, capture), max_flows)

    def switch(self) -> int:
        """Ends the interval; returns its CLOCK_MONOTONIC nanoseconds. An interval not drained joins the next."""
        switch_ns = time.monotonic_ns()
        self._settled_ns = switch_ns + SETTLE_NS
        self._switches.append((switch_ns, self._ring.dropped_packets()))
        self._start_reader()
        return switch_ns

    async def drain(self) -> RawCounts:
        """What was counted up to the last `switch`; waits until the kernel has handed all of it over.

        Raises NetdashError when the counter is closed.
        """
        await asyncio.sleep(max(self._settled_ns - time.monotonic_ns(), 0) / 1e9)
        request: Future[RawCounts] = Future()
        self._requests.append(request)
        self._start_reader()
        if self._is_reader_gone or self._is_closing:
            self._refuse_requests()
        else:
            os.eventfd_write(self._wake, 1)
        return await asyncio.wrap_future(request)

    def watch(self, wanted: WatchFilter | None) -> None:
        """From now on the packets of this filter can be fetched, of no filter none. While there is one, the ring keeps
        its snap length of every packet, so that it fills up sooner."""
        self._ring.keep_bytes(wanted.snap_bytes if wanted is not None else 0)
        self._watch.set(wanted)
        self._start_reader()

    def fetch_packets(self) -> tuple[list[WatchedPacket], int]:
        """Packets of the watch since the last call, within the limits of model.packets; how many more there were."""
        return self._watch.take()

    def close(self) -> None:
        """Ends the reader and frees ring and socket; a `drain` under way raises NetdashError."""
        if self._is_closing:
            return
        self._is_closing = True
        os.eventfd_write(self._wake, 1)
        if self._reader.ident is not None:
            self._reader.join()
        self._ring.close()
        os.close(self._wake)

    def _start_reader(self) -> None:
        if self._reader.ident is None and not self._is_closing:
            self._reader.start()

    def _run(self) -> None:
        # Privilege is the thread's own: what the main thread gives up later would stay here.
        drop_privileges()
        either, wake = select.poll(), select.poll()
        either.register(self._ring.fileno(), select.POLLIN)
        for poller in (either, wake):
            poller.register(self._wake, select.POLLIN)
        try:
            while not self._is_closing:
                if self._wake in dict(either.poll()):
                    os.eventfd_read(self._wake)
                while not self._requests and not self._is_closing and self._count_batch():
                    pass
                self._answer_requests()
                wake.poll(PAUSE_MS)
        finally:
            self._is_reader_gone = True
            self._refuse_requests()

    def _answer_requests(self) -> None:
        while self._requests:
            request = self._requests.popleft()
            # What came before the switch is read when the ring is empty or at packets that are clearly later.
            while self._ring.newest_ns < self._settled_ns and self._count_batch():
                pass
            self._apply_switches()
            if request.set_running_or_notify_cancel():
                self._ended_ns = None
                request.set_result(self._ended.take())

    def _refuse_requests(self) -> None:
        while self._requests:
            self._requests.popleft().set_exception(NetdashError("packet ring: the counter is closed"))

    def _count_batch(self) -> bool:
        """Counts the next blocks; false when none was ready."""
        batch = self._ring.read()
        if batch is None:
            return False
        packets = self._parser.parse(batch)
        self._watch.pick(self._ring, packets)
        self._ring.release()
        # A switch that comes after this line is later than every packet of the batch.
        self._apply_switches()
        self._assign(packets)
        return True

    def _apply_switches(self) -> None:
        while self._switches:
            switch_ns, lost_packets = self._switches.popleft()
            if self._ended_ns is not None:
                self._open.merge(self._ended.take())
            self._open, self._ended = self._ended, self._open
            self._ended.lost_packets += lost_packets
            self._ended_ns = switch_ns

    def _assign(self, packets: ParsedPackets) -> None:
        if self._ended_ns is None:
            self._open.add(packets)
            return
        is_early = packets.values["last_ns"] <= self._ended_ns
        for counts, rows in ((self._ended, is_early), (self._open, ~is_early)):
            if rows.any():
                counts.add(packets.select(np.flatnonzero(rows)))
