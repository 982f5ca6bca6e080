"""Many sockets, held by several processes, and traffic on each connection: `interval` starts one of each side.

python -m bench.socket_worker listen ADDRESS       prints a line for each process, lives until stdin ends
python -m bench.socket_worker connect ADDRESS      a line when connected; sends on all for each line on stdin
"""

from __future__ import annotations

import os
import resource
import selectors
import signal
import socket
import sys

from netdash.kernel.capabilities import set_parent_death_signal

PROCESSES = 10
CONNECTIONS = 100
"""Of each process, beside its listening socket."""
DATAGRAM_SOCKETS = 49
"""Of each process."""
TOTAL = PROCESSES * (1 + CONNECTIONS + DATAGRAM_SOCKETS)
FLOWS = PROCESSES * CONNECTIONS

_FIRST_PORT = 20_000
_MESSAGE = bytes(200)


def _hold(address: str, port: int) -> None:
    """One process: listens, accepts, throws away what comes."""
    set_parent_death_signal(signal.SIGKILL)
    selector = selectors.DefaultSelector()
    listener = socket.create_server((address, port), backlog=CONNECTIONS)
    selector.register(listener, selectors.EVENT_READ)
    datagram = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(DATAGRAM_SOCKETS)]
    for one in datagram:
        one.bind((address, 0))
    print("ready", flush=True)
    accepted = []
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                accepted.append(listener.accept()[0])
                selector.register(accepted[-1], selectors.EVENT_READ)
            elif not os.read(key.fd, 65536):
                return


def _listen(address: str) -> None:
    for number in range(PROCESSES):
        if os.fork() == 0:
            _hold(address, _FIRST_PORT + number)
            os._exit(0)
    sys.stdin.read()


def _connect(address: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ports = [_FIRST_PORT + number for number in range(PROCESSES) for _ in range(CONNECTIONS)]
    connections = [socket.create_connection((address, port)) for port in ports]
    print("ready", flush=True)
    while sys.stdin.readline():
        for connection in connections:
            connection.sendall(_MESSAGE)
        print("sent", flush=True)


if __name__ == "__main__":
    {"listen": _listen, "connect": _connect}[sys.argv[1]](sys.argv[2])
