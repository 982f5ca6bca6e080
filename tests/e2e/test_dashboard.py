"""The installed dashboard in a real terminal, beside real traffic: press keys, read the screen."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from pyroute2 import IPRoute

from netdash.kernel.namespaces import enter_network_namespace
from tests.e2e.installed import program
from tests.e2e.terminal import Terminal
from tests.namespaces import Lab, run_in, socket_in

PORT = 5201
REMOTE_PORT_SHOWN = "10.77.0.2:5201"


@contextmanager
def steady_traffic(lab: Lab) -> Iterator[None]:
    """About 8 Mbit/s of TCP from this process, until left."""
    stop = threading.Event()
    with ExitStack() as stack:
        listener = stack.enter_context(socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_STREAM))
        listener.bind((lab.b.ipv4, PORT))
        listener.listen()
        client = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_STREAM))
        client.connect((lab.b.ipv4, PORT))
        server = stack.enter_context(listener.accept()[0])

        def send() -> None:
            while not stop.wait(0.02):
                client.sendall(bytes(20_000))

        def receive() -> None:
            while server.recv(1 << 16):
                pass

        threads = [threading.Thread(target=target) for target in (send, receive)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            threads[0].join()
            client.shutdown(socket.SHUT_WR)
            threads[1].join()


@contextmanager
def dashboard(lab: Lab, *arguments: str, columns: int = 100, rows: int = 30) -> Iterator[Terminal]:
    """The program inside the lab's first namespace."""
    namespace = lab.a.namespace
    terminal = Terminal(
        [program(), "-n", "-d", "0.5", *arguments], columns, rows, prepare=lambda: enter_network_namespace(namespace)
    )
    with terminal:
        yield terminal


@pytest.mark.root
@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 36)])
def test_every_view_shows_the_traffic(lab: Lab, columns: int, rows: int) -> None:
    with steady_traffic(lab), dashboard(lab, columns=columns, rows=rows) as terminal:
        terminal.wait_for("Interfaces", lab.a.interface, "Mb")
        terminal.press("2")
        terminal.wait_for("10.77.0.1:", REMOTE_PORT_SHOWN, "Mb")
        terminal.press("3")
        terminal.wait_for(str(os.getpid()), "Mb")
        terminal.press("4")
        terminal.wait_for("ESTAB", REMOTE_PORT_SHOWN)
        terminal.press("5")
        terminal.wait_for("IPv4", "TCP", "UDP", "ICMP")
        terminal.quit()


@pytest.mark.root
def test_keys_of_the_flow_view(lab: Lab) -> None:
    with steady_traffic(lab), dashboard(lab) as terminal:
        terminal.press("2")
        terminal.wait_for(REMOTE_PORT_SHOWN)
        terminal.press("p")
        terminal.wait_until(lambda: "10.77.0.2" in terminal.text and ":5201" not in terminal.text, "hidden ports")
        terminal.press("p")
        terminal.wait_for(REMOTE_PORT_SHOWN)
        terminal.press(" ")
        terminal.wait_for("PAUSED")
        terminal.press(" ")
        terminal.wait_until(lambda: "PAUSED" not in terminal.text, "a running view")
        terminal.press("u")
        terminal.wait_until(lambda: "MB" in terminal.text or "kB" in terminal.text, "bytes")
        terminal.press("?")
        terminal.wait_for("Everywhere", "Two lines a flow")
        terminal.press("\x1b")
        terminal.wait_for(REMOTE_PORT_SHOWN)
        terminal.quit()


@pytest.mark.root
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_end_it_with_the_terminal_restored(lab: Lab, number: signal.Signals) -> None:
    with dashboard(lab) as terminal:
        terminal.wait_for("Interfaces", lab.a.interface)
        terminal.process.send_signal(number)
        assert terminal.wait_for_end() == 0
        assert terminal.is_restored()


@pytest.mark.root
def test_a_dead_collector_ends_it_with_one_line(lab: Lab) -> None:
    with dashboard(lab) as terminal:
        terminal.wait_for("Interfaces", lab.a.interface)
        with open(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children") as file:
            (collector,) = map(int, file.read().split())
        os.kill(collector, signal.SIGKILL)
        assert terminal.wait_for_end() == 1
        assert terminal.is_restored()
        assert terminal.output.rstrip().endswith(b"start netdash again")
        assert b"the collector ended: killed by SIGKILL" in terminal.output
        assert b"Traceback" not in terminal.output


@pytest.mark.root
def test_a_vanished_terminal_ends_it(lab: Lab) -> None:
    with dashboard(lab) as terminal:
        terminal.wait_for("Interfaces", lab.a.interface)
        terminal.hang_up()
        terminal.wait_for_end()


@pytest.mark.root
@pytest.mark.parametrize("seen", ["\x1b[?1049h", "Interfaces", "loopback"])
@pytest.mark.parametrize("keys", ["", "q"])
def test_a_terminal_may_vanish_at_any_moment(lab: Lab, seen: str, keys: str) -> None:
    """While it starts, while it runs, while it ends: the process is gone, with nothing left that spins."""
    with dashboard(lab) as terminal:
        terminal.wait_until(lambda: seen.encode() in terminal.output, f"{seen!r}")
        terminal.press(keys)
        terminal.hang_up()
        terminal.wait_for_end()


@pytest.mark.root
def test_a_resize_storm_is_survived(lab: Lab) -> None:
    with dashboard(lab) as terminal:
        terminal.wait_for("Interfaces", lab.a.interface)
        for columns, rows in [(40, 10), (200, 60), (81, 25), (20, 5), (120, 30)] * 3:
            terminal.resize(columns, rows)
        terminal.wait_for("Interfaces", lab.a.interface, "quit")
        terminal.press("q")
        assert terminal.wait_for_end() == 0


@pytest.mark.root
def test_an_interface_that_vanishes_is_told(lab: Lab) -> None:
    def remove() -> None:
        with IPRoute() as route:
            route.link("del", index=lab.a.index)

    with dashboard(lab) as terminal:
        terminal.wait_for("Interfaces", lab.a.interface)
        run_in(lab.a.namespace, remove)
        terminal.wait_for(f"interface {lab.a.interface} vanished")
        terminal.press("q")
        assert terminal.wait_for_end() == 0


def test_a_dumb_terminal_gets_text() -> None:
    with Terminal([program(), "-c", "1", "-d", "0.2"], environment={"TERM": "dumb"}) as terminal:
        assert terminal.wait_for_end() == 0
        assert b"\x1b" not in terminal.output
        assert b"IFACE" in terminal.output
