"""Metrics over HTTP on loopback: real requests, parsed by the client library; clients that do harm."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from netdash.errors import NetdashError
from netdash.options import Endpoint
from netdash.sinks.metrics import FAMILIES, Metrics
from netdash.sinks.prometheus import MetricsServer
from tests.unit.sinks.builders import TIME, baseline, example

_TIMEOUT_SECONDS = 20.0
_ADDRESSES = ("127.0.0.1", "::1")


@pytest.fixture(params=_ADDRESSES)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Metrics, Endpoint]]:
    metrics = Metrics()
    metrics.add(baseline())
    server = MetricsServer(metrics, Endpoint(request.param, 0))
    try:
        yield metrics, server.endpoint
    finally:
        server.close()


def get(endpoint: Endpoint, path: str = "/metrics", **headers: str) -> tuple[str, str]:
    """Content type and text."""
    request = urllib.request.Request(f"http://{endpoint}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
        return response.headers["Content-Type"], response.read().decode()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_scrape_has_every_figure(served: tuple[Metrics, Endpoint]) -> None:
    metrics, endpoint = served
    metrics.add(example())
    first = samples(get(endpoint)[1])
    assert first["netdash_interface_transmit_bytes_total", (("interface", "eth0"),)] == 7_510_000
    assert first["netdash_process_transmit_payload_bytes_total", (("process", "iperf3"),)] == 7_200_000
    metrics.add(example(time=TIME + 1))
    second = samples(get(endpoint)[1])
    assert second["netdash_interface_transmit_bytes_total", (("interface", "eth0"),)] == 2 * 7_510_000
    expected = {
        (f"{family.name}_total" if family.kind == "counter" else family.name, labels): value
        for family in FAMILIES
        for labels, value in (
            (tuple(sorted(zip(family.labels, values, strict=True))), value)
            for values, value in metrics.read()[family.name].items()
        )
    }
    assert second == expected


def test_types_and_names_follow_the_conventions(served: tuple[Metrics, Endpoint]) -> None:
    metrics, endpoint = served
    metrics.add(example())
    kind, text = get(endpoint, Accept="application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    families = {family.name: family for family in parse_openmetrics(text)}  # type: ignore[no-untyped-call]
    assert set(families) <= {family.name for family in FAMILIES}
    for family in FAMILIES:
        if family.name in families:
            assert families[family.name].type == family.kind
            assert family.name.startswith("netdash_")
            assert family.help.endswith(".")


def test_any_path_and_only_get(served: tuple[Metrics, Endpoint]) -> None:
    _, endpoint = served
    assert "netdash_info" in get(endpoint, "/")[1]
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(f"http://{endpoint}/", data=b"x", timeout=_TIMEOUT_SECONDS)


def test_clients_that_do_harm(served: tuple[Metrics, Endpoint], capfd: pytest.CaptureFixture[str]) -> None:
    _, endpoint = served
    family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
    for sent in (b"", b"\x00" * 5000, b"GET " + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" * 500):
        with socket.socket(family) as client:
            client.settimeout(_TIMEOUT_SECONDS)
            client.connect((endpoint.address, endpoint.port))
            with suppress(OSError):  # it is free to hang up
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65_536):
                    pass
    silent = [socket.create_connection((endpoint.address, endpoint.port), _TIMEOUT_SECONDS) for _ in range(40)]
    # Sixteen are waited for, the others were closed; when some leave, there is room again.
    closed = [client for client in silent[16:] if client.recv(1) == b""]
    assert len(closed) == 24
    for client in silent:
        client.close()
    for _ in range(100):
        try:
            assert "netdash_info" in get(endpoint)[1]
            break
        except (ConnectionError, urllib.error.URLError):
            continue
    else:
        pytest.fail("no room again")
    assert capfd.readouterr() == ("", "")


def test_a_port_in_use_is_told_in_one_line(served: tuple[Metrics, Endpoint]) -> None:
    metrics, endpoint = served
    with pytest.raises(NetdashError, match=r"^cannot serve metrics on .*: Address already in use; name an address"):
        MetricsServer(metrics, endpoint)
