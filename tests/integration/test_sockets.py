"""Sockets, their destruction and their owners, against the kernel: real connections in a network namespace."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from netdash.collector.health import unlisted_sockets
from netdash.errors import NetdashError
from netdash.kernel import sock_diag
from netdash.kernel.process_files import SocketOwners
from netdash.kernel.procfs import read_start_ticks
from netdash.kernel.sock_diag import SocketReader
from netdash.kernel.socket_events import SocketDestroyEvents, subtract_seen_fins
from tests.namespaces import Lab, popen_in, run_in, socket_in

SO_COOKIE = 57
SKNLGRP_INET_UDP_DESTROY = 2
TCP, UDP = 6, 17
ESTABLISHED, TIME_WAIT, CLOSE, CLOSE_WAIT, LISTEN = 1, 6, 7, 8, 10
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def cookie(one: socket.socket) -> int:
    return int.from_bytes(one.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder)


def inode(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def mapped(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6, address if ":" in address else f"::ffff:{address}")


def row_of(rows: NDArray[np.void], one: socket.socket | int) -> np.void:
    (found,) = rows[rows["cookie"] == (one if isinstance(one, int) else cookie(one))]
    assert isinstance(found, np.void)
    return found


def connect(stack: ExitStack, namespace: str | None, family: int = socket.AF_INET, target: str = "127.0.0.1") -> Pair:
    """A connected client and server socket; the listener is closed."""
    listener_family = socket.AF_INET6 if ":" in target or target == "mapped" else family

    def new(family: int) -> socket.socket:
        made = socket.socket(family) if namespace is None else socket_in(namespace, family, socket.SOCK_STREAM)
        return stack.enter_context(made)

    with new(listener_family) as listener:
        if listener_family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(("::", 0))
        else:
            listener.bind((target, 0))
        listener.listen(5)
        client = new(family)
        client.connect(("127.0.0.1" if target == "mapped" else target, listener.getsockname()[1]))
        server, _ = listener.accept()
    return client, stack.enter_context(server)


def transfer(sender: socket.socket, receiver: socket.socket, size: int) -> None:
    """Moves exactly `size` bytes, a piece at a time so that no buffer fills up."""
    while size:
        piece = min(size, 16384)
        sender.sendall(bytes(piece))
        size -= piece
        while piece:
            piece -= len(receiver.recv(piece))


def await_true(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


@contextmanager
def reader_in(namespace: str, **options: int) -> Iterator[SocketReader]:
    reader = SocketReader(
        include_time_wait=bool(options.get("include_time_wait", False)),
        max_sockets=options.get("max_sockets", sock_diag.MAX_SOCKETS),
    )
    run_in(namespace, reader.open)
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def events_in(namespace: str) -> Iterator[SocketDestroyEvents]:
    events = SocketDestroyEvents()
    run_in(namespace, events.open)
    try:
        yield events
    finally:
        events.close()


def events_of(events: SocketDestroyEvents, *cookies: int) -> NDArray[np.void]:
    """Reads until the sockets with these cookies have ended."""
    parts: list[NDArray[np.void]] = []
    missing = set(cookies)
    while missing:
        assert select.select([events], [], [], 10)[0], f"no event for {missing}"
        parts.append(events.read())
        missing -= set(parts[-1]["cookie"].tolist())
    return np.concatenate(parts)


@pytest.mark.root
@pytest.mark.parametrize(
    ("family", "target", "server_family"),
    [(socket.AF_INET, "127.0.0.1", 4), (socket.AF_INET6, "::1", 6), (socket.AF_INET, "mapped", 6)],
)
def test_tcp_connection(lab: Lab, stack: ExitStack, family: int, target: str, server_family: int) -> None:
    client, server = connect(stack, lab.a.namespace, family, target)
    transfer(client, server, 123_456)
    transfer(server, client, 789)
    with reader_in(lab.a.namespace) as reader:
        rows = reader.dump()
    for one, sent, received, expected_family in (
        (client, 123_456, 789, 4 if family == socket.AF_INET else 6),
        (server, 789, 123_456, server_family),
    ):
        row = row_of(rows, one)
        assert (row["family"], row["protocol"], row["state"]) == (expected_family, TCP, ESTABLISHED)
        assert (row["tx_payload_bytes"], row["rx_payload_bytes"]) == (sent, received)
        assert (row["local_port"], row["remote_port"]) == (one.getsockname()[1], one.getpeername()[1])
        plain = "::1" if target == "::1" else "127.0.0.1"
        assert row["local"].tobytes() == row["remote"].tobytes() == mapped(plain)
        assert (row["inode"], row["uid"], row["has_info"]) == (inode(one), os.getuid(), 1)
        assert row["rtt_us"] > 0
        assert row["segments_out"] > 0


def own_info(one: socket.socket) -> dict[str, int]:
    """What the kernel tells the socket's owner: some of `struct tcp_info` of <linux/tcp.h>."""
    info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 240)
    words = {"rto_us": 8, "pmtu": 60, "ssthresh": 76, "segments_out": 136, "not_sent_bytes": 144}
    figures = {name: int.from_bytes(info[at : at + 4], sys.byteorder) for name, at in words.items()}
    longs = {"busy_us": 168, "rwnd_limited_us": 176, "sndbuf_limited_us": 184, "resent_bytes": 208}
    return figures | {name: int.from_bytes(info[at : at + 8], sys.byteorder) for name, at in longs.items()}


def fill(one: socket.socket) -> None:
    """Sends until no more goes in."""
    one.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            one.send(bytes(65_536))


@pytest.mark.root
def test_timing_and_what_holds_a_sender_back_are_those_of_the_kernel(lab: Lab, stack: ExitStack) -> None:
    """A receiver that does not read: its window closes, and data stays unsent."""
    client, server = connect(stack, lab.a.namespace)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    transfer(client, server, 100_000)
    with reader_in(lab.a.namespace) as reader:

        def row() -> np.void:
            return row_of(reader.dump(), client)

        fill(client)
        await_true(lambda: row()["rwnd_limited_us"] > 0 and row()["timer"] == 4)
        before, held, after = own_info(client), row(), own_info(client)
        for name in before:
            assert before[name] <= held[name] <= after[name], name
        assert 0 < held["not_sent_bytes"] <= held["wqueue"]
        assert 0 < held["rwnd_limited_us"] <= held["busy_us"]
        assert 0 < held["timer_ms"] <= 120_000
        server.setblocking(False)
        await_true(lambda: _drained(server) and row()["wqueue"] == 0)
        rest = row()
        assert (rest["not_sent_bytes"], rest["timer"]) == (0, 2), "only the keep-alive timer runs"
        assert 7_000_000 < rest["timer_ms"] <= 7_200_000


def _drained(one: socket.socket) -> bool:
    """Reads what is there."""
    with contextlib.suppress(BlockingIOError):
        while one.recv(1 << 20):
            pass
    return True


@pytest.mark.root
def test_backlog_queues_and_udp(lab: Lab, stack: ExitStack) -> None:
    listener = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET6, socket.SOCK_STREAM))
    listener.bind(("::", 0))
    listener.listen(17)
    port = listener.getsockname()[1]
    waiting = [stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET6, socket.SOCK_STREAM)) for _ in range(3)]
    for one in waiting:
        one.connect(("::1", port))
    unconnected = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))
    unconnected.bind(("0.0.0.0", 0))
    connected = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET6, socket.SOCK_DGRAM))
    connected.connect(("::ffff:127.0.0.1", unconnected.getsockname()[1]))
    connected.send(bytes(500))
    bound = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"vetha")
    bound.bind((lab.a.ipv4, 0))
    with reader_in(lab.a.namespace) as reader:
        rows = reader.dump()
    row = row_of(rows, listener)
    assert (row["state"], row["rqueue"], row["wqueue"], row["has_info"]) == (LISTEN, 3, 17, 0)
    assert not row["local"].any()
    accepted_later = rows[(rows["local_port"] == port) & (rows["state"] == ESTABLISHED)]
    assert accepted_later["inode"].tolist() == [0, 0, 0]
    row = row_of(rows, unconnected)
    assert (row["protocol"], row["state"], row["remote_port"]) == (UDP, CLOSE, 0)
    assert not row["local"].any()
    assert not row["remote"].any()
    assert row["rqueue"] >= 500
    row = row_of(rows, connected)
    assert (row["family"], row["state"], row["inode"]) == (6, ESTABLISHED, inode(connected))
    assert row["local"].tobytes() == row["remote"].tobytes() == mapped("127.0.0.1")
    row = row_of(rows, bound)
    assert (row["ifindex"], row["local"].tobytes()) == (lab.a.index, mapped(lab.a.ipv4))


@pytest.mark.root
def test_reader_sees_the_namespace_it_was_opened_in(lab: Lab, stack: ExitStack) -> None:
    here = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))
    there = stack.enter_context(socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_DGRAM))
    here.bind(("0.0.0.0", 0))
    there.bind(("0.0.0.0", 0))
    with reader_in(lab.a.namespace) as reader:
        assert reader.dump()["cookie"].tolist() == [cookie(here)]


@pytest.mark.root
def test_time_wait_is_an_option(lab: Lab, stack: ExitStack) -> None:
    client, server = connect(stack, lab.a.namespace)
    port = client.getsockname()[1]
    client.close()
    assert server.recv(1) == b""
    server.close()
    with reader_in(lab.a.namespace) as without, reader_in(lab.a.namespace, include_time_wait=1) as reader:
        await_true(lambda: TIME_WAIT in reader.dump()["state"])
        rows = reader.dump()
        (row,) = rows[rows["state"] == TIME_WAIT]
        assert (row["local_port"], row["inode"], row["has_info"]) == (port, 0, 0)
        assert len(without.dump()) == 0


@pytest.mark.root
def test_dump_is_bounded_and_says_so(lab: Lab, stack: ExitStack) -> None:
    for _ in range(10):
        one = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))
        one.bind(("127.0.0.1", 0))
    for limit, truncated in ((3, True), (9, True), (10, False), (0, True)):
        with reader_in(lab.a.namespace, max_sockets=limit) as reader:
            assert len(reader.dump()) == limit
            assert reader.truncated is truncated
            assert (f"more than {limit} sockets" in " ".join(unlisted_sockets(reader))) is truncated
            assert len(reader.dump()) == limit


@pytest.mark.root
def test_many_sockets_fill_several_buffers(lab: Lab, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sock_diag, "_BUFFER_BYTES", sock_diag._ROOM_BYTES * 2)

    def bind_many() -> list[socket.socket]:
        many = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(1200)]
        for one in many:
            one.bind(("127.0.0.1", 0))
        return many

    made = run_in(lab.a.namespace, bind_many)
    with reader_in(lab.a.namespace) as reader:
        assert sorted(reader.dump()["inode"].tolist()) == sorted(map(inode, made))
        assert not reader.truncated


@pytest.mark.root
def test_protocol_without_diag_module_is_asked_for_once(lab: Lab) -> None:
    with reader_in(lab.a.namespace) as reader:
        counts = []
        for _ in range(2):
            before = reader._sequence
            reader.dump()
            counts.append(reader._sequence - before)
        assert counts == [10, 10 - 2 * len(reader.missing_protocols)]
        assert set(reader.missing_protocols) <= {UDP, 132, 136, 255}


def overflow(reader: SocketReader, namespace: str) -> None:
    """Makes the reader's netlink socket lose messages: it is told of closing sockets, but has no room."""
    netlink = reader._opened()
    netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    netlink.setsockopt(270, 1, SKNLGRP_INET_UDP_DESTROY)

    def open_and_close() -> None:
        for _ in range(50):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.bind(("127.0.0.1", 0))

    run_in(namespace, open_and_close)
    poll = select.poll()
    poll.register(netlink, 0)
    await_true(lambda: any(event & select.POLLERR for _, event in poll.poll(0)))


@pytest.mark.root
def test_lost_answer_is_asked_for_again(lab: Lab, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = connect(stack, lab.a.namespace)
    with reader_in(lab.a.namespace) as reader:
        overflow(reader, lab.a.namespace)
        assert {cookie(client), cookie(server)} <= set(reader.dump()["cookie"].tolist())
        overflow(reader, lab.a.namespace)
        monkeypatch.setattr(sock_diag, "grow_receive_buffer", lambda *_: overflow(reader, lab.a.namespace))
        with pytest.raises(NetdashError, match="lost the answer twice"):
            reader.dump()
        monkeypatch.undo()
        assert {cookie(client), cookie(server)} <= set(reader.dump()["cookie"].tolist())


@pytest.mark.root
def test_reset_connection_ends_with_exact_counters(lab: Lab, stack: ExitStack) -> None:
    with events_in(lab.a.namespace) as events:
        client, server = connect(stack, lab.a.namespace)
        transfer(client, server, 54_321)
        transfer(server, client, 1_234)
        server.sendall(b"not read")
        await_true(lambda: len(client.recv(100, socket.MSG_PEEK)) == 8)
        cookies = cookie(client), cookie(server)
        # Closing with unread data resets the connection.
        client.close()
        with pytest.raises(ConnectionResetError):
            server.recv(1)
        server.close()
        rows = events_of(events, *cookies)
    ended, other = row_of(rows, cookies[0]), row_of(rows, cookies[1])
    assert (ended["protocol"], ended["state"], ended["inode"], ended["has_info"]) == (TCP, CLOSE, 0, 1)
    assert (ended["tx_payload_bytes"], ended["rx_payload_bytes"]) == (54_321, 1_242)
    assert (other["tx_payload_bytes"], other["rx_payload_bytes"]) == (1_242, 54_321)


@pytest.mark.root
def test_kernel_clears_the_counters_of_a_socket_closed_without_lingering(lab: Lab, stack: ExitStack) -> None:
    with events_in(lab.a.namespace) as events:
        client, server = connect(stack, lab.a.namespace)
        transfer(client, server, 54_321)
        cookies = cookie(client), cookie(server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
        client.close()
        with pytest.raises(ConnectionResetError):
            server.recv(1)
        server.close()
        rows = events_of(events, *cookies)
    assert row_of(rows, cookies[0])["tx_payload_bytes"] == 0
    assert row_of(rows, cookies[1])["rx_payload_bytes"] == 54_321


@pytest.mark.root
def test_closed_connection_ends_with_counters_exact_but_for_an_unseen_fin(lab: Lab, stack: ExitStack) -> None:
    with events_in(lab.a.namespace) as events, reader_in(lab.a.namespace) as reader:
        client, server = connect(stack, lab.a.namespace, socket.AF_INET6, "::1")
        transfer(client, server, 1_000)
        transfer(server, client, 500)
        cookies = cookie(client), cookie(server)
        client.close()
        assert server.recv(1) == b""
        before = reader.dump()
        assert row_of(before, cookies[1])["state"] == CLOSE_WAIT
        assert row_of(before, cookies[1])["rx_payload_bytes"] == 1_000
        server.close()
        rows = events_of(events, *cookies)
    subtract_seen_fins(rows, before)
    ended, other = row_of(rows, cookies[0]), row_of(rows, cookies[1])
    assert (other["tx_payload_bytes"], other["rx_payload_bytes"]) == (500, 1_000)
    assert ended["tx_payload_bytes"] == 1_000
    assert ended["rx_payload_bytes"] in (500, 501)


@pytest.mark.root
def test_udp_destruction_and_overflow(lab: Lab, stack: ExitStack) -> None:
    with events_in(lab.a.namespace) as events:
        one = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))
        one.bind(("127.0.0.1", 0))
        known, port = cookie(one), one.getsockname()[1]
        one.close()
        row = row_of(events_of(events, known), known)
        assert (row["protocol"], row["local_port"], row["has_info"], row["wqueue"]) == (UDP, port, 0, 0)
        assert not events.overflowed

        same = stack.enter_context(socket.socket(fileno=os.dup(events.fileno())))
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        for _ in range(50):
            with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM) as short:
                short.bind(("127.0.0.1", 0))

        def has_overflowed() -> bool:
            events.read()
            return events.overflowed

        await_true(has_overflowed)
        # The kernel tells of the last ones later; they have to fit.
        sock_diag.grow_receive_buffer(same, 1 << 20)
        await_true(lambda: len(events.read()) == 0)
        events.overflowed = False
        last = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM))
        last.bind(("127.0.0.1", 0))
        known = cookie(last)
        last.close()
        assert known in events_of(events, known)["cookie"]


HOLD = "import sys; print('ready', flush=True); sys.stdin.read()"
RECEIVE = (
    "import socket, sys; fds = socket.recv_fds(socket.socket(fileno=int(sys.argv[1])), 1, 1)[1];"
    "print('ready', flush=True); sys.stdin.read()"
)


@contextmanager
def child(code: str, *arguments: str, pass_fds: tuple[int, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-S", "-c", code, *arguments]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=pass_fds) as process:
        try:
            yield process
        finally:
            process.kill()


def await_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"


def owner_of(owners: SocketOwners, number: int, *others: int) -> int:
    inodes = np.array([number, *others], np.uint32)
    owners.refresh(inodes)
    return int(owners.owners(inodes)[0])


def test_owner_of_inherited_and_passed_sockets(stack: ExitStack) -> None:
    owners = SocketOwners()
    own = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    number = inode(own)
    assert owner_of(owners, number) == os.getpid()
    assert owners.start_ticks(os.getpid()) == read_start_ticks(os.getpid())

    with child(HOLD, pass_fds=(own.fileno(),)) as inherited:
        await_ready(inherited)
        # An inode that nobody has makes it look for new processes.
        assert owner_of(owners, number, 4_000_000_000) == os.getpid()
        assert set(owners.shared(number)) == {os.getpid(), inherited.pid}
        own.close()
        assert owner_of(owners, number) == inherited.pid

    passed = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    number = inode(passed)
    assert owner_of(owners, number) == os.getpid()
    near, far = socket.socketpair()
    with near, far, child(RECEIVE, str(far.fileno()), pass_fds=(far.fileno(),)) as receiver:
        socket.send_fds(near, [b"x"], [passed.fileno()])
        await_ready(receiver)
        passed.close()
        assert owner_of(owners, number) == receiver.pid
        receiver.kill()
        receiver.wait()
        assert owner_of(owners, number) == -1


def test_owner_of_a_process_that_opens_and_closes_evenly(stack: ExitStack) -> None:
    """The number of descriptors stays the same, so counting them tells nothing."""
    owners = SocketOwners()
    keep = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    for _ in range(5):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as short:
            assert owner_of(owners, inode(short), inode(keep)) == os.getpid()


AS_NOBODY = """
import json, os, socket, sys
import numpy as np
from netdash.kernel.process_files import SocketOwners
from netdash.kernel.sock_diag import SocketReader
from netdash.kernel.socket_events import SocketDestroyEvents
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("127.0.0.1", 0))
events = SocketDestroyEvents(); events.open(); events.close()
reader = SocketReader(); reader.open()
rows = reader.dump(); reader.close()
owners = SocketOwners(); owners.refresh(rows["inode"])
found = owners.owners(rows["inode"]).tolist()
columns = ["cookie", "has_info", "rx_payload_bytes", "tx_payload_bytes", "uid", "inode"]
sockets = [[int(row[name]) for name in columns] for row in rows]
own_inode = os.fstat(own.fileno()).st_ino
print(json.dumps([os.getpid(), own_inode, owners.readable_all, [[*row, pid] for row, pid in zip(sockets, found)]]))
"""


@pytest.mark.root
@pytest.mark.ordinary_user
def test_plain_user_sees_all_sockets_and_own_processes_only(lab: Lab, stack: ExitStack) -> None:
    client, server = connect(stack, lab.a.namespace)
    transfer(client, server, 4_000)
    process = popen_in(lab.a.namespace, [sys.executable, "-c", AS_NOBODY], stdout=subprocess.PIPE)
    output, _ = process.communicate(timeout=30)
    pid, own_inode, readable_all, sockets = json.loads(output)
    assert pid == process.pid
    assert not readable_all
    by_cookie = {row[0]: row[1:] for row in sockets}
    assert by_cookie[cookie(client)] == [1, 0, 4_000, 0, inode(client), -1]
    assert by_cookie[cookie(server)] == [1, 4_000, 0, 0, inode(server), -1]
    assert [row[-1] for row in sockets if row[5] == own_inode] == [pid]
    assert [row[4] for row in sockets if row[5] == own_inode] == [65534]


@pytest.mark.root
def test_root_reads_other_users_processes(stack: ExitStack) -> None:
    own = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    # The child changes its user itself: another user may not be allowed to execute this interpreter.
    code = f"import os; os.setgroups([]); os.setresuid(65534, 65534, 65534); {HOLD}"
    with child(code, pass_fds=(own.fileno(),)) as process:
        await_ready(process)
        number = inode(own)
        own.close()
        owners = SocketOwners()
        assert owner_of(owners, number) == process.pid
        assert owners.readable_all


def test_reading_needs_no_privilege_and_no_namespace(stack: ExitStack) -> None:
    client, server = connect(stack, None)
    transfer(client, server, 100)
    reader = SocketReader()
    try:
        reader.open()
    except NetdashError as error:
        pytest.skip(str(error))
    stack.callback(reader.close)
    rows = reader.dump()
    assert row_of(rows, client)["tx_payload_bytes"] == 100
    owners = SocketOwners()
    owners.refresh(rows["inode"])
    found = owners.owners(rows["inode"])
    assert set(found[np.isin(rows["inode"], [inode(client), inode(server)])].tolist()) == {os.getpid()}


@pytest.mark.root
def test_udplite_where_the_kernel_has_it(lab: Lab, stack: ExitStack) -> None:
    try:
        one = stack.enter_context(socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM, 136))
    except OSError as error:
        pytest.skip(f"this kernel has no UDP-Lite: {error}")
    one.bind(("127.0.0.1", 0))
    with reader_in(lab.a.namespace) as reader:
        assert row_of(reader.dump(), one)["protocol"] == 136
