from __future__ import annotations

import socket

import pytest

from netdash.kernel.ethtool import link_speed_bps
from tests.namespaces import Lab, socket_in


@pytest.mark.parametrize("name", ["lo", "no-such-link", "", "x" * 16, "ü" * 8, "\udcff"])
def test_what_has_no_speed_has_none(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        assert link_speed_bps(control, name) is None


@pytest.mark.root
def test_the_driver_of_the_sockets_namespace_answers(lab: Lab) -> None:
    with socket_in(lab.a.namespace, socket.AF_INET, socket.SOCK_DGRAM) as control:
        # What every veth driver claims.
        assert link_speed_bps(control, lab.a.interface) == 10_000_000_000
        assert link_speed_bps(control, lab.b.interface) is None
