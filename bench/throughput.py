"""A stream and small datagrams from one process to another, as fast as they go: `attribution` starts it.

python -m bench.throughput receive ADDRESS           prints its port, then lives until stdin ends
python -m bench.throughput send ADDRESS PORT KIND    sends for a second for each line on stdin, then prints how much it
                                                     was and its CPU seconds; KIND: stream (bytes), datagrams (number)
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time

from netdash.kernel.capabilities import set_parent_death_signal

SECONDS = 1.0
_PIECE = bytes(256 << 10)
_DATAGRAM = bytes(1200)
_BATCH = 64


def _swallow_stream(listener: socket.socket) -> None:
    room = bytearray(1 << 20)
    while True:
        connection, _ = listener.accept()
        with connection:
            while connection.recv_into(room):
                pass


def _swallow_datagrams(end: socket.socket) -> None:
    room = bytearray(1 << 16)
    while True:
        end.recv_into(room)


def _receive(address: str) -> None:
    set_parent_death_signal(signal.SIGKILL)
    listener = socket.create_server((address, 0))
    port = listener.getsockname()[1]
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((address, port))
    threading.Thread(target=_swallow_stream, args=(listener,), daemon=True).start()
    threading.Thread(target=_swallow_datagrams, args=(datagrams,), daemon=True).start()
    print(port, flush=True)
    sys.stdin.read()


def _send(address: str, port: int, kind: str) -> None:
    set_parent_death_signal(signal.SIGKILL)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "stream" else socket.SOCK_DGRAM) as end:
        end.connect((address, port))
        print("ready", flush=True)
        while sys.stdin.readline():
            sent, cpu, deadline = 0, time.process_time(), time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                if kind == "stream":
                    sent += end.send(_PIECE)
                else:
                    for _ in range(_BATCH):
                        end.send(_DATAGRAM)
                    sent += _BATCH
            print(sent, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        _receive(sys.argv[2])
    else:
        _send(sys.argv[2], int(sys.argv[3]), sys.argv[4])
