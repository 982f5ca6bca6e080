from __future__ import annotations

import numpy as np
import pytest

from netdash.collector.processes import ProcessReader, ProcessTable
from netdash.kernel.procfs import ProcessFacts
from netdash.model.protocols import ESTABLISHED, TCP
from netdash.model.tables import FLOW_ROW, SOCKET_ROW, UNKNOWN, Attribution, empty

FACTS = {
    7: ProcessFacts(7, 70, 5, "web", "web -x", 0, None, "0123456789ab"),
    8: ProcessFacts(8, 80, 7, "worker", "", 0, None, "ba9876543210"),
}
ANCESTORS = {5: ((5, "shim\x1b[m"), (1, "init")), 7: ((7, "web"), (5, "shim"), (1, "init"))}


def table() -> ProcessTable:
    return ProcessTable(
        ProcessReader(
            read=FACTS.get,
            user_name=str,
            start_seconds=float,
            past_command=lambda pid, start_ticks: "",
            container_name={"0123456789ab": "shop\n"}.get,
            parents=lambda pid: ANCESTORS[pid],
        )
    )


def test_container_parents_and_namespace() -> None:
    sockets = np.zeros(2, SOCKET_ROW)
    sockets["pid"] = 7, 8
    web, worker = table().update(
        empty(FLOW_ROW), sockets, empty(SOCKET_ROW), wire=True, moved=None, namespaces={7: 4026531840}
    )
    assert (web.container, web.container_id, web.net_namespace) == ("shop·", "0123456789ab", 4026531840)
    assert (worker.container, worker.container_id, worker.net_namespace) == ("ba9876543210", "ba9876543210", None)
    assert [pid for pid, _ in web.parents] == [5, 1]
    assert "\x1b" not in web.parents[0][1]
    assert worker.parents == ((7, "web"), (5, "shim"), (1, "init"))


@pytest.mark.parametrize(
    ("attribution", "payload"), [(Attribution.SOCKET, (10, 20)), (Attribution.LISTENER, (None, None))]
)
def test_last_packets_of_a_connection_that_has_ended(attribution: Attribution, payload: tuple[int | None, int]) -> None:
    """Its end told its payload; of one that was never seen nothing is known."""
    sockets = np.zeros(1, SOCKET_ROW)
    sockets["pid"], sockets["protocol"], sockets["state"] = 7, TCP, ESTABLISHED
    sockets["rx_payload"], sockets["tx_payload"] = 10, 20
    flows = np.zeros(1, FLOW_ROW)
    flows["pid"], flows["protocol"], flows["attribution"] = 7, TCP, attribution
    flows["rx_payload"] = flows["tx_payload"] = UNKNOWN
    (row,) = table().update(flows, sockets, empty(SOCKET_ROW), wire=True)
    assert (row.rx_payload, row.tx_payload) == payload
