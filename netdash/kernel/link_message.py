"""One network interface, out of the message that rtnetlink(7) sends of it.

pyroute2, which has no type information, decodes the messages; what is in them leaves as `Link`. Attributes are those of
<linux/if_link.h>.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any

_IFF_UP = 0x1
_ARPHRD_LOOPBACK = 772
_ARPHRD_WITH_MAC = frozenset({1, 801, 802, 803})
"""Ethernet and the 802.11 types, <linux/if_arp.h>. Others have no address, or one that is not six bytes long."""

_PAIRED_KINDS = frozenset({"veth", "netkit"})
_STATES = {
    "UP": "up",
    "DOWN": "down",
    "LOWERLAYERDOWN": "lower-layer-down",
    "DORMANT": "dormant",
    "TESTING": "testing",
    "NOTPRESENT": "not-present",
}


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface."""

    index: int
    name: str
    """Bytes that are not UTF-8 stand as \\xNN, as in `net_dev`."""
    alternative_names: tuple[str, ...]
    alias: str | None
    kind: str
    """physical, loopback, virtual, or the kernel's name for the driver: veth, bridge, bond, vlan, tun, …"""
    state: str
    """RFC 2863: up, down, lower-layer-down, dormant, testing, not-present, or unknown (loopback, some tunnels)."""
    is_up: bool
    """Switched on by the administrator (IFF_UP)."""
    mtu: int
    mac: str | None
    speed_bps: int | None
    """None if not known, and for virtual kinds: what veth, bridge or tun report is made up."""
    master_index: int | None
    """The bridge, bond or VRF that this interface belongs to."""
    peer_index: int | None
    """The other end of a veth pair."""
    peer_netns_id: int | None
    """The namespace (id, not inode) that peer_index or parent_index counts in; None: this one."""
    parent_index: int | None
    """What a VLAN, macvlan or tunnel sits on."""
    arphrd_type: int
    addresses: tuple[str, ...]
    """With prefix length, `192.0.2.1/24`, in the order in which they came."""


def is_complete(message: Any) -> bool:
    """Not a bridge's word about one of its ports (AF_BRIDGE), not a wireless event: those lack most attributes."""
    return (
        message["family"] == socket.AF_UNSPEC
        and message.get_attr("IFLA_IFNAME") is not None
        and message.get_attr("IFLA_MTU") is not None
    )


def link_of(message: Any, addresses: tuple[str, ...]) -> Link:
    """The interface that a complete message is about; `addresses`: what is known of them from other messages.

    Its speed is not in the message.
    """
    index = int(message["index"])
    name = _text(message.get_attr("IFLA_IFNAME")) or f"#{index}"
    arphrd_type = int(message["ifi_type"])
    kind = _kind(message, name, index, arphrd_type)
    netns_id = _number(message.get_attr("IFLA_LINK_NETNSID"))
    lower_index = _number(message.get_attr("IFLA_LINK"))
    if lower_index == 0 or (lower_index == index and netns_id is None):
        lower_index = None
    is_paired = kind in _PAIRED_KINDS
    return Link(
        index=index,
        name=name,
        alternative_names=_alternative_names(message),
        alias=_text(message.get_attr("IFLA_IFALIAS")),
        kind=kind,
        state=_STATES.get(_text(message.get_attr("IFLA_OPERSTATE")) or "", "unknown"),
        is_up=bool(message["flags"] & _IFF_UP),
        mtu=_number(message.get_attr("IFLA_MTU")) or 0,
        mac=_text(message.get_attr("IFLA_ADDRESS")) if arphrd_type in _ARPHRD_WITH_MAC else None,
        speed_bps=None,
        master_index=_number(message.get_attr("IFLA_MASTER")),
        peer_index=lower_index if is_paired else None,
        peer_netns_id=netns_id,
        parent_index=None if is_paired else lower_index,
        arphrd_type=arphrd_type,
        addresses=addresses,
    )


def _kind(message: Any, name: str, index: int, arphrd_type: int) -> str:
    information = message.get_attr("IFLA_LINKINFO")
    if hasattr(information, "get_attr") and (kind := _text(information.get_attr("IFLA_INFO_KIND"))):
        return kind
    if arphrd_type == _ARPHRD_LOOPBACK:
        return "loopback"
    if message.get_attr("IFLA_PARENT_DEV_NAME") is not None or _has_device_in_sysfs(name, index):
        return "physical"
    return "virtual"


def _has_device_in_sysfs(name: str, index: int) -> bool:
    """For kernels before 5.14, which do not tell the parent device. /sys may show another namespace: compare."""
    directory = f"/sys/class/net/{name}"
    try:
        with open(f"{directory}/ifindex", encoding="ascii") as file:
            return int(file.read()) == index and os.path.exists(f"{directory}/device")
    except (OSError, ValueError):
        return False


def _alternative_names(message: Any) -> tuple[str, ...]:
    properties = message.get_attr("IFLA_PROP_LIST")
    if not hasattr(properties, "get_attrs"):
        return ()
    names = (_text(name) for name in properties.get_attrs("IFLA_ALT_IFNAME"))
    return tuple(name for name in names if name)


def _text(value: object) -> str | None:
    """An attribute as text; pyroute2 leaves bytes where they are not UTF-8."""
    if isinstance(value, bytes):
        return value.rstrip(b"\0").decode("utf-8", "backslashreplace")
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
