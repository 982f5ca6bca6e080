from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from pyroute2 import IPRoute

from netdash.errors import NetdashError
from netdash.kernel.link_message import Link
from netdash.kernel.links import LinkChange, LinkTable
from tests.namespaces import Lab, run_in

NLM_F_DUMP, NLMSG_DONE = 0x301, 3
RTM_NEWLINK, RTM_GETLINK, RTM_GETADDR = 16, 18, 22


class Watch:
    """A `LinkTable` inside a namespace, with what a test does to its interfaces."""

    def __init__(self, namespace: str, table: LinkTable) -> None:
        self.namespace = namespace
        self.table = table
        self.changes: list[LinkChange] = []

    async def change(self, function: Callable[[IPRoute], object]) -> None:
        """Runs `function` with an rtnetlink socket of the namespace, in another thread."""

        def call() -> None:
            with IPRoute() as route:
                function(route)

        await asyncio.to_thread(run_in, self.namespace, call)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while True:
                self.changes += self.table.take_changes()
                if condition():
                    return
                await asyncio.sleep(0.005)

    def named(self, name: str) -> Link | None:
        return next((link for link in self.table.links.values() if link.name == name), None)

    def kinds_of(self, name: str) -> list[str]:
        return [change.kind for change in self.changes if change.link.name == name]


def watch_in(namespace: str, scenario: Callable[[Watch], Awaitable[None]]) -> None:
    """Runs `scenario` on an event loop of its own, in a thread inside the namespace."""

    async def main() -> None:
        table = LinkTable()
        await table.open()
        try:
            assert table.take_changes() == []
            await scenario(Watch(namespace, table))
        finally:
            await table.close()

    run_in(namespace, lambda: asyncio.run(main()))


def index_of(route: IPRoute, name: str) -> int:
    return int(route.link_lookup(ifname=name)[0])


async def test_reads_the_interfaces_of_this_machine_without_privilege() -> None:
    table = LinkTable()
    await table.open()
    try:
        assert {(link.index, link.name) for link in table.links.values()} == set(socket.if_nameindex())
        loopback = next(link for link in table.links.values() if link.kind == "loopback")
        assert loopback.arphrd_type == 772
        assert loopback.mac is None
        assert loopback.speed_bps is None
    finally:
        await table.close()


async def test_can_be_closed_twice_and_opened_again() -> None:
    table = LinkTable()
    for _ in range(2):
        await table.open()
        assert table.links
        await table.close()
        await table.close()


async def test_a_table_that_was_never_opened_can_be_closed() -> None:
    table = LinkTable()
    assert table.take_changes() == []
    await table.close()


@pytest.mark.root
def test_describes_both_ends_of_a_pair(lab: Lab) -> None:
    async def scenario(watch: Watch) -> None:
        link = watch.table.links[lab.a.index]
        assert link.name == lab.a.interface
        assert link.kind == "veth"
        assert link.state == "up"
        assert link.is_up
        assert link.mtu == 1500
        assert link.mac == lab.a.mac
        assert link.arphrd_type == 1
        # veth drivers claim 10 Gbit/s.
        assert link.speed_bps is None
        # The peer lives in another namespace, where its index may equal this one's.
        assert link.peer_index == lab.b.index
        assert link.peer_netns_id is not None
        assert link.parent_index is None
        assert link.addresses == (f"{lab.a.ipv4}/24", f"{lab.a.ipv6}/64")

    watch_in(lab.a.namespace, scenario)


@pytest.mark.root
def test_links_appear_are_renamed_and_vanish(lab: Lab) -> None:
    async def scenario(watch: Watch) -> None:
        await watch.change(lambda route: route.link("add", kind="veth", ifname="first", peer="second"))
        await watch.until(lambda: watch.named("first") is not None and watch.named("second") is not None)
        first, second = watch.named("first"), watch.named("second")
        assert first is not None
        assert second is not None
        assert (first.peer_index, second.peer_index) == (second.index, first.index)
        assert first.peer_netns_id is None
        assert not first.is_up
        assert first.state == "down"

        await watch.change(lambda route: route.link("set", index=first.index, ifname="renamed"))
        await watch.until(lambda: "renamed" in watch.kinds_of("renamed"))
        (change,) = [change for change in watch.changes if change.kind == "renamed"]
        assert change.previous is not None
        assert (change.previous.name, change.link.name, change.link.index) == ("first", "renamed", first.index)
        assert watch.table.links[first.index].name == "renamed"

        await watch.change(lambda route: route.link("del", index=first.index))
        await watch.until(lambda: watch.named("renamed") is None and watch.named("second") is None)
        await watch.until(lambda: "gone" in watch.kinds_of("renamed") and "gone" in watch.kinds_of("second"))
        assert watch.kinds_of("first")[0] == "new"

    watch_in(lab.a.namespace, scenario)


@pytest.mark.root
def test_a_link_made_anew_under_its_old_name_is_another_link(lab: Lab) -> None:
    async def scenario(watch: Watch) -> None:
        for _ in range(2):
            await watch.change(lambda route: route.link("add", kind="bridge", ifname="again"))
            await watch.change(lambda route: route.link("del", ifname="again"))
        await watch.until(lambda: watch.kinds_of("again").count("gone") == 2)
        indexes = [change.link.index for change in watch.changes if change.kind == "new"]
        assert len(set(indexes)) == 2
        assert [kind for kind in watch.kinds_of("again") if kind != "changed"] == ["new", "gone", "new", "gone"]

    watch_in(lab.a.namespace, scenario)


@pytest.mark.root
def test_addresses_come_and_go(lab: Lab) -> None:
    async def scenario(watch: Watch) -> None:
        def addresses() -> tuple[str, ...]:
            return watch.table.links[lab.a.index].addresses

        before = addresses()
        await watch.change(lambda route: route.addr("add", index=lab.a.index, address="192.0.2.1", prefixlen=24))
        await watch.until(lambda: addresses() == (*before, "192.0.2.1/24"))
        await watch.change(lambda route: route.addr("add", index=lab.a.index, address="2001:db8::1", prefixlen=48))
        await watch.until(lambda: addresses() == (*before, "192.0.2.1/24", "2001:db8::1/48"))
        await watch.change(lambda route: route.addr("del", index=lab.a.index, address="192.0.2.1", prefixlen=24))
        await watch.until(lambda: addresses() == (*before, "2001:db8::1/48"))
        assert set(watch.kinds_of(lab.a.interface)) == {"changed"}

    watch_in(lab.a.namespace, scenario)


@pytest.mark.root
def test_state_master_mtu_and_names_are_followed(lab: Lab) -> None:
    async def scenario(watch: Watch) -> None:
        def link() -> Link:
            return watch.table.links[lab.a.index]

        await watch.change(lambda route: route.link("add", kind="bridge", ifname="bridge0"))
        await watch.until(lambda: watch.named("bridge0") is not None)
        bridge = watch.named("bridge0")
        assert bridge is not None
        assert bridge.kind == "bridge"
        await watch.change(lambda route: route.link("set", index=lab.a.index, master=bridge.index, mtu=1400))
        await watch.until(lambda: link().master_index == bridge.index and link().mtu == 1400)
        # Leaving the bridge sends a deletion too, of the port and not of the interface.
        await watch.change(lambda route: route.link("set", index=lab.a.index, master=0))
        await watch.until(lambda: link().master_index is None)
        await watch.change(lambda route: route.link("set", index=lab.a.index, ifalias="to the lab"))
        await watch.change(lambda route: route.link("property_add", index=lab.a.index, altname=["second", "third"]))
        await watch.until(lambda: link().alternative_names == ("second", "third"))
        assert link().alias == "to the lab"
        await asyncio.to_thread(run_in, lab.b.namespace, partial(set_down, lab.b.index))
        # The kernel takes a link whose lower one has its own index for one without a lower one (rfc2863_policy).
        without_carrier = "down" if lab.a.index == lab.b.index else "lower-layer-down"
        await watch.until(lambda: link().state == without_carrier)
        assert link().is_up
        await watch.change(lambda route: route.link("set", index=lab.a.index, state="down"))
        await watch.until(lambda: link().state == "down" and not link().is_up)
        assert "gone" not in watch.kinds_of(lab.a.interface)

    watch_in(lab.a.namespace, scenario)


@pytest.mark.root
def test_a_macvlan_names_its_parent(lab: Lab) -> None:
    async def scenario(watch: Watch) -> None:
        await watch.change(lambda route: route.link("add", kind="macvlan", ifname="above", link=lab.a.index))
        await watch.until(lambda: watch.named("above") is not None)
        above = watch.named("above")
        assert above is not None
        assert (above.kind, above.parent_index, above.peer_index) == ("macvlan", lab.a.index, None)

    watch_in(lab.a.namespace, scenario)


@pytest.mark.root
def test_nothing_is_missed_when_the_kernel_drops_events(lab: Lab) -> None:
    def storm() -> None:
        with IPRoute() as route:
            for mtu in range(2000, 3000):
                route.link("set", index=lab.a.index, mtu=mtu)
            route.link("del", ifname="doomed")
            route.link("add", kind="bridge", ifname="last")

    async def scenario(watch: Watch) -> None:
        await watch.change(lambda route: route.link("add", kind="bridge", ifname="doomed"))
        await watch.until(lambda: watch.named("doomed") is not None)
        # Called on the loop's own thread: nobody reads events meanwhile, so that the socket's buffer overflows.
        run_in(watch.namespace, storm)
        await watch.until(lambda: watch.named("last") is not None)
        assert watch.table.links[lab.a.index].mtu == 2999
        assert watch.table.links[lab.a.index].addresses == (f"{lab.a.ipv4}/24", f"{lab.a.ipv6}/64")
        assert watch.named("doomed") is None
        assert watch.kinds_of("doomed")[-1] == "gone"
        assert len(watch.changes) < 1000, "the buffer held every event, so that this test showed nothing"
        # It follows events again.
        await watch.change(lambda route: route.link("del", ifname="last"))
        await watch.until(lambda: watch.named("last") is None)

    watch_in(lab.a.namespace, scenario)


@pytest.mark.root
def test_damaged_messages_do_no_harm(lab: Lab) -> None:
    chance = random.Random(20)

    def disturb(port: int) -> None:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sender:
            messages = dump(sender, RTM_GETLINK, 16) + dump(sender, RTM_GETADDR, 8)
            header_alone = struct.pack("=IHHII", 16, RTM_NEWLINK, 0, 0, 0)
            with contextlib.suppress(ConnectionRefusedError):
                sender.sendto(header_alone, (port, 0))
            for _ in range(100):
                damaged = bytearray(chance.choice(messages))
                for _ in range(chance.choice((1, 2, 10))):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                length = chance.choice((len(damaged), chance.randrange(16, len(damaged))))
                # A message that cannot be read makes the table take a new socket; there is none for a moment.
                with contextlib.suppress(ConnectionRefusedError):
                    sender.sendto(damaged[:length], (port, 0))

    async def scenario(watch: Watch) -> None:
        # A table that takes a new socket gets the same port id again: the first that is free.
        port = await asyncio.to_thread(run_in, watch.namespace, listening_port)
        for number in range(5):
            await asyncio.to_thread(run_in, watch.namespace, partial(disturb, port))
            await expect_new_link(watch, f"still-alive{number}")

    async def expect_new_link(watch: Watch, name: str) -> None:
        await watch.change(lambda route: route.link("add", kind="bridge", ifname=name))
        await watch.until(lambda: watch.named(name) is not None)

    watch_in(lab.a.namespace, scenario)


@pytest.mark.root
def test_a_name_that_is_not_utf8_is_shown_escaped(lab: Lab) -> None:
    def rename(index: int) -> None:
        attribute = struct.pack("=HH", 8, 3) + b"\xff\x1b[\0"
        header = struct.pack("=IHHII", 16 + 16 + len(attribute), 19, 0x5, 1, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sender:
            sender.send(header + struct.pack("=BxHiII", 0, 0, index, 0, 0) + attribute)
            assert sender.recv(4096)[16:20] == bytes(4), "the kernel took the name"

    async def scenario(watch: Watch) -> None:
        await watch.change(lambda route: route.link("add", kind="bridge", ifname="odd"))
        await watch.until(lambda: watch.named("odd") is not None)
        odd = watch.named("odd")
        assert odd is not None
        await asyncio.to_thread(run_in, watch.namespace, partial(rename, odd.index))
        await watch.until(lambda: watch.table.links[odd.index].name == "\\xff\x1b[")

    watch_in(lab.a.namespace, scenario)


async def test_no_descriptors_left_is_told_in_one_line() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    table = LinkTable()
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(NetdashError, match="Too many open files"):
            await table.open()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await table.close()


def set_down(index: int) -> None:
    with IPRoute() as route:
        route.link("set", index=index, state="down")


def dump(sender: socket.socket, request: int, body_bytes: int) -> list[bytes]:
    sender.send(struct.pack("=IHHII", 16 + body_bytes, request, NLM_F_DUMP, 1, 0) + bytes(body_bytes))
    messages: list[bytes] = []
    while True:
        datagram, offset = sender.recv(1 << 17), 0
        while offset < len(datagram):
            length, kind = struct.unpack_from("=IH", datagram, offset)
            if kind == NLMSG_DONE:
                return messages
            messages.append(datagram[offset : offset + length])
            offset += length + 3 & ~3


def listening_port() -> int:
    """Port id of the one rtnetlink socket in this namespace that is in the link and both address groups."""
    with open("/proc/thread-self/net/netlink", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    (port,) = [int(row[2]) for row in rows if row[1] == "0" and int(row[3], 16) == 0x111 and row[2] != "0"]
    return port
