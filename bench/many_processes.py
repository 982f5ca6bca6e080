"""Many processes with sockets, some that send and some that wait: `attribution` starts it.

python -m bench.many_processes ADDRESS PORT PROCESSES STREAMS DATAGRAM_SOCKETS WAITING

A line when all are connected; each process sends on its TCP connections and connected datagram sockets for each line on
stdin, and says so. WAITING: bound datagram sockets of each process that never get anything.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from typing import NamedTuple

from netdash.kernel.capabilities import set_parent_death_signal


class Shape(NamedTuple):
    """How many processes, and how many sockets each has."""

    processes: int
    streams: int
    datagram_sockets: int
    waiting: int

    @property
    def sockets(self) -> int:
        """Of all processes."""
        return self.processes * (self.streams + self.datagram_sockets + self.waiting)


_NO_ANSWER = bytes(4)
"""Begins a stream and a datagram of the server in tests/integration/scenarios/serving.py."""
_MESSAGE = _NO_ANSWER + bytes(196)


def _hold(number: int, address: str, port: int, shape: Shape, orders: int, done: int) -> None:
    """One process: opens its sockets, sends on those that are connected for each byte of `orders`."""
    set_parent_death_signal(signal.SIGKILL)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    waiting = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(shape.waiting)]
    for one in waiting:
        # An address of its own for each process: one has not ports enough for all.
        one.bind((f"127.1.{number >> 8}.{number & 255}", 0))
    sockets = [socket.create_connection((address, port)) for _ in range(shape.streams)]
    for _ in range(shape.datagram_sockets):
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets[-1].connect((address, port))
    os.write(done, b".")
    while os.read(orders, 1):
        for one in sockets:
            one.send(_MESSAGE)
        os.write(done, b".")


def _main(address: str, port: int, shape: Shape) -> None:
    reading, done = os.pipe()
    orders = []
    for number in range(shape.processes):
        own, order = os.pipe()
        if os.fork() == 0:
            try:
                _hold(number, address, port, shape, own, done)
            finally:
                os._exit(0)
        os.close(own)
        orders.append(order)
    _await_all(reading, shape.processes)
    print("ready", flush=True)
    while sys.stdin.readline():
        for order in orders:
            os.write(order, b".")
        _await_all(reading, shape.processes)
        print("sent", flush=True)


def _await_all(reading: int, left: int) -> None:
    while left:
        left -= len(os.read(reading, left))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), Shape(*map(int, sys.argv[3:])))
