"""Metrics over HTTP for Prometheus, by its official client library: the only module that knows it (the extra
`prometheus`)."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Final, TextIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from netdash.errors import NetdashError
from netdash.options import Endpoint
from netdash.sinks.metrics import FAMILIES, Metrics

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

_MAX_REQUESTS: Final = 16
"""At a time; those beyond are refused."""
_REQUEST_SECONDS: Final = 10.0

_Request = socket.socket | tuple[bytes, socket.socket]


class MetricsServer:
    """Answers every GET with all metrics, in a thread that ends with the process."""

    def __init__(self, metrics: Metrics, endpoint: Endpoint) -> None:
        """Listens. Raises NetdashError where it cannot."""
        from prometheus_client import CollectorRegistry, make_wsgi_app

        registry = CollectorRegistry()
        registry.register(_Collector(metrics))
        server_class = _ServerIPv6 if ":" in endpoint.address else _Server
        try:
            self._server = make_server(
                endpoint.address, endpoint.port, make_wsgi_app(registry), server_class, _SilentHandler
            )
        except OSError as error:
            raise NetdashError(endpoint.refused(error)) from error
        self.endpoint = Endpoint(endpoint.address, self._server.server_port)
        """With the port that was taken, where any was asked for (0)."""
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Serves no more; waits up to half a second for that."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Collector:
    """Makes the library's metrics from ours when they are asked for."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        values = self._metrics.read()
        for family in FAMILIES:
            if values[family.name]:
                kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
                metric = kind(family.name, family.help, labels=family.labels)
                for labels, value in values[family.name].items():
                    metric.add_metric(labels, value)
                yield metric


class _Server(ThreadingMixIn, WSGIServer):
    """One thread a request, so many at a time; nothing is written to the terminal, which is the dashboard's."""

    daemon_threads = True
    request_queue_size = 4 * _MAX_REQUESTS

    def __init__(self, *arguments: object) -> None:
        self._free = threading.BoundedSemaphore(_MAX_REQUESTS)
        super().__init__(*arguments)  # type: ignore[arg-type]  # as make_server calls it

    def server_bind(self) -> None:
        """Without HTTPServer's look-up of the host's name, which may wait for DNS."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def process_request(self, request: _Request, client_address: object) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no more threads
            self._free.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: _Request, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: _Request, client_address: object) -> None:
        """A client that left or sent nonsense is no concern of the user's."""


class _ServerIPv6(_Server):
    address_family = socket.AF_INET6


class _SilentHandler(WSGIRequestHandler):
    timeout = _REQUEST_SECONDS

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""

    def get_stderr(self) -> TextIO:
        return io.StringIO()
