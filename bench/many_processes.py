"""300 processes of five sockets each, three TCP connections and two datagram sockets: `attribution` starts it.

python -m bench.many_processes ADDRESS PORT    a line when all are connected; sends on every socket for each line on
                                               stdin, and says so
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from netdash.kernel.capabilities import set_parent_death_signal

PROCESSES = 300
STREAMS = 3
DATAGRAM_SOCKETS = 2
SOCKETS = PROCESSES * (STREAMS + DATAGRAM_SOCKETS)

_NO_ANSWER = bytes(4)
"""Begins a stream and a datagram of the server in tests/integration/scenarios/serving.py."""
_MESSAGE = _NO_ANSWER + bytes(196)


def _hold(address: str, port: int, orders: int, done: int) -> None:
    """One process: opens its sockets, sends on all of them for each byte of `orders`."""
    set_parent_death_signal(signal.SIGKILL)
    sockets = [socket.create_connection((address, port)) for _ in range(STREAMS)]
    for _ in range(DATAGRAM_SOCKETS):
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets[-1].connect((address, port))
    os.write(done, b".")
    while os.read(orders, 1):
        for one in sockets:
            one.send(_MESSAGE)
        os.write(done, b".")


def _main(address: str, port: int) -> None:
    reading, done = os.pipe()
    orders = []
    for _ in range(PROCESSES):
        own, order = os.pipe()
        if os.fork() == 0:
            try:
                _hold(address, port, own, done)
            finally:
                os._exit(0)
        os.close(own)
        orders.append(order)
    _await_all(reading)
    print("ready", flush=True)
    while sys.stdin.readline():
        for order in orders:
            os.write(order, b".")
        _await_all(reading)
        print("sent", flush=True)


def _await_all(reading: int) -> None:
    left = PROCESSES
    while left:
        left -= len(os.read(reading, left))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
