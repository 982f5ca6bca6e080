"""The test harness for networks: namespaces, a veth pair between two of them, and ways to work inside.

Everything goes through rtnetlink (pyroute2), setns(2) and ioctls, so it needs root and the kernel, but neither
iproute2 nor ethtool. Start with `Lab`:

    with Lab() as lab:
        server = socket_in(lab.b.namespace, socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((lab.b.ipv4, 9000))
        run_in(lab.a.namespace, lambda: send_something(lab.b.ipv4, 9000))

A fresh pair is silent: `Lab` returns with both ends up, every address usable, every neighbour known and all
interface counters at zero, and no ARP, neighbour, router, MLD or IGMP packet ever follows by itself. So what a
counter shows is what a test sent. Joining a multicast group, or switching ARP back on, does send reports.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import itertools
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import IO, Self, TypeVar

from pyroute2 import IPRoute, netns
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_NODAD
from pyroute2.netlink.rtnl.ifinfmsg import IFF_NOARP, IFF_UP

from netdash.errors import NotSupportedError
from netdash.kernel.namespaces import NAMED_NAMESPACES, enter_network_namespace

Result = TypeVar("Result")

_CLONE_NEWNET = 0x40000000
_SIOCETHTOOL = 0x8946
_ETHTOOL_SET_COMMANDS = {
    "rx-checksum": 0x15,
    "tx-checksum": 0x17,
    "scatter-gather": 0x19,
    "tso": 0x1F,
    "gso": 0x24,
    "gro": 0x2C,
}
"""ETHTOOL_SRXCSUM and its like, <linux/ethtool.h>."""

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)
_processes: dict[str, list[subprocess.Popen[bytes]]] = {}


def create_namespace(name: str) -> None:
    """Makes the network namespace `name` under /run/netns, with its loopback down and IPv6 quiet."""

    def unshare_and_bind() -> None:
        _unshare_network()
        netns.attach(f"{NAMED_NAMESPACES}/{name}", threading.get_native_id(), libc=_libc)

    _in_thread(unshare_and_bind)
    try:
        run_in(name, _silence_ipv6)
    except BaseException:
        remove_namespace(name)
        raise


def remove_namespace(name: str) -> None:
    """Ends the processes that `popen_in` started in the namespace and removes it with all its interfaces."""
    for process in _processes.pop(name, []):
        process.kill()
        process.wait()
    netns.remove(f"{NAMED_NAMESPACES}/{name}", libc=_libc)


def run_in(namespace: str, function: Callable[[], Result]) -> Result:
    """Calls `function` in a thread that has entered `namespace`, waits, and hands back its result or exception."""

    def enter_and_call() -> Result:
        enter_network_namespace(namespace)
        return function()

    return _in_thread(enter_and_call)


def socket_in(namespace: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A socket that lives in `namespace` and can be used from any thread; the caller closes it."""
    return run_in(namespace, lambda: socket.socket(family, kind, protocol))


def popen_in(
    namespace: str,
    argv: Sequence[str],
    *,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    executable: str | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a program inside `namespace`; it is killed with the namespace if it still runs then.

    `executable`: the file, where `argv[0]` is another name.

    The child is started from a thread that has entered the namespace, so no code runs between fork and exec.
    """
    process = run_in(
        namespace,
        lambda: subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=stderr, env=env, executable=executable),
    )
    _processes.setdefault(namespace, []).append(process)
    return process


def interface_counters(namespace: str, interface: str) -> dict[str, int]:
    """The interface's `struct rtnl_link_stats64` as rtnetlink gives it: `rx_packets`, `tx_bytes` and so on."""

    def read() -> dict[str, int]:
        with IPRoute() as route:
            (link,) = route.link("get", ifname=interface)
            stats = link.get("stats64")
            return {name: int(stats[name]) for name in stats if isinstance(stats[name], int)}

    return run_in(namespace, read)


def set_offloads(namespace: str, interface: str, on: bool, features: Sequence[str] = ("tso", "gso", "gro")) -> None:
    """Switches offloads of an interface: `rx-checksum`, `tx-checksum`, `scatter-gather`, `tso`, `gso`, `gro`.

    Without tso and gso each frame that crosses the interface is at most one MTU long; with them a TCP
    super-packet of up to 64 KiB crosses a veth pair in one piece.
    """

    def switch() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for feature in features:
                value = array.array("I", [_ETHTOOL_SET_COMMANDS[feature], int(on)])
                request = struct.pack("16sP16x", interface.encode(), value.buffer_info()[0])
                fcntl.ioctl(control, _SIOCETHTOOL, request)

    run_in(namespace, switch)


@dataclass(frozen=True, slots=True)
class Port:
    """One end of a `Lab`."""

    namespace: str
    interface: str
    index: int
    mac: str
    ipv4: str
    ipv6: str


class Lab:
    """Two network namespaces, `a` and `b`, joined by a veth pair; entering makes them, leaving removes them.

    Names are nd-PID-N-a and nd-PID-N-b, so labs of several test runs do not meet. Each end has an IPv4 address
    in 10.77.0.0/24 and an IPv6 address in fd77::/64, and the other's MAC address as a permanent neighbour.
    There is no ARP (IFF_NOARP), no IPv6 link-local address and no duplicate address detection.
    """

    a: Port
    b: Port

    def __init__(self, mtu: int = 1500) -> None:
        self._mtu = mtu
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        stem = f"nd-{os.getpid()}-{next(_numbers)}"
        with ExitStack() as cleanup:
            for side in "ab":
                create_namespace(f"{stem}-{side}")
                cleanup.callback(remove_namespace, f"{stem}-{side}")
            macs = {side: f"02:00:00:00:00:0{side}" for side in "ab"}
            indexes = _create_veth_pair(f"{stem}-a", f"{stem}-b", macs, self._mtu)
            self.a, self.b = (
                Port(f"{stem}-{side}", f"veth{side}", indexes[side], macs[side], f"10.77.0.{host}", f"fd77::{host}")
                for host, side in enumerate("ab", start=1)
            )
            _bring_up((self.a, self.b))
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def add_vlan(self, vlan_id: int) -> tuple[Port, Port]:
        """Puts a VLAN interface on each end, with addresses in 10.78.0.0/24 and fd78::/64.

        Raises NotSupportedError if the kernel has no 8021q.
        """
        ends = []
        for host, port in enumerate((self.a, self.b), start=1):
            name = f"{port.interface}.{vlan_id}"
            index = run_in(port.namespace, partial(_create_vlan, port, name, vlan_id))
            ends.append(Port(port.namespace, name, index, port.mac, f"10.78.0.{host}", f"fd78::{host}"))
        _bring_up(ends)
        return ends[0], ends[1]


def _in_thread(function: Callable[[], Result]) -> Result:
    future: Future[Result] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return future.result()


def _unshare_network() -> None:
    if _libc.unshare(_CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "unshare(CLONE_NEWNET)")


def _silence_ipv6() -> None:
    settings = {
        "conf/default/accept_ra": 0,
        "conf/default/router_solicitations": 0,
        "conf/default/accept_dad": 0,
        "conf/default/dad_transmits": 0,
        "conf/default/addr_gen_mode": 1,
    }
    for name, value in settings.items():
        with open(f"/proc/sys/net/ipv6/{name}", "w") as setting:
            setting.write(str(value))


def _create_veth_pair(namespace_a: str, namespace_b: str, macs: Mapping[str, str], mtu: int) -> dict[str, int]:
    def create() -> int:
        descriptor = os.open(f"{NAMED_NAMESPACES}/{namespace_b}", os.O_RDONLY)
        try:
            with IPRoute() as route:
                peer = {"ifname": "vethb", "net_ns_fd": descriptor, "address": macs["b"], "mtu": mtu}
                route.link("add", kind="veth", ifname="vetha", address=macs["a"], mtu=mtu, peer=peer)
                return _index_of(route, "vetha")
        finally:
            os.close(descriptor)

    def find() -> int:
        with IPRoute() as route:
            return _index_of(route, "vethb")

    return {"a": run_in(namespace_a, create), "b": run_in(namespace_b, find)}


def _index_of(route: IPRoute, interface: str) -> int:
    (index,) = route.link_lookup(ifname=interface)
    return int(index)


def _bring_up(ports: Iterable[Port]) -> None:
    # An IPv6 address on an interface without ARP joins no solicited-node group, so no MLD report is sent.
    pairs = list(ports)
    for port in pairs:
        run_in(port.namespace, partial(_set_up_without_arp, port))
    for port, peer in zip(pairs, reversed(pairs), strict=True):
        run_in(port.namespace, partial(_configure, port, peer))
    for port in pairs:
        # The kernel adds the routes of an IPv6 address a little later; until then packets to it are dropped.
        _await(partial(run_in, port.namespace, partial(_has_local_route, port.ipv6)), f"a route to {port.ipv6}")


def _has_local_route(address: str) -> bool:
    with open("/proc/thread-self/net/ipv6_route") as table:
        return any(line.startswith(f"{socket.inet_pton(socket.AF_INET6, address).hex()} 80 ") for line in table)


def _set_up_without_arp(port: Port) -> None:
    with IPRoute() as route:
        route.link("set", index=_index_of(route, "lo"), state="up")
        route.link("set", index=port.index, flags=IFF_NOARP | IFF_UP, change=IFF_NOARP | IFF_UP)


def _configure(port: Port, peer: Port) -> None:
    with IPRoute() as route:
        _await(lambda: route.link("get", index=port.index)[0].get("operstate") == "UP", f"{port.interface} up")
        route.addr("add", index=port.index, address=port.ipv4, prefixlen=24)
        route.addr("add", index=port.index, address=port.ipv6, prefixlen=64, flags=IFA_F_NODAD)
        for address in (peer.ipv4, peer.ipv6):
            route.neigh("replace", dst=address, lladdr=peer.mac, ifindex=port.index, state="permanent")


def _await(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in time: {what}")
        time.sleep(0.001)


def _create_vlan(port: Port, name: str, vlan_id: int) -> int:
    with IPRoute() as route:
        try:
            route.link("add", ifname=name, kind="vlan", link=port.index, vlan_id=vlan_id)
        except NetlinkError as error:
            raise NotSupportedError(f"cannot make VLAN {vlan_id}: {error}; the kernel needs 8021q") from error
        return _index_of(route, name)
