import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from nexus_chassis.otlp import JsonExporter


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    received: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, json.loads(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Tests need no access log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_spans_arrive_at_the_collector(collector: tuple[str, list[tuple[str, Any]]]) -> None:
    url, received = collector
    provider = TracerProvider(resource=Resource({"service.name": "example"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(JsonExporter(f"{url}/v1/traces")))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("outer") as outer:
        outer_context = outer.get_span_context()
        tracer.start_span("inner", start_time=1, attributes={"n": 1, "ok": True, "r": 0.5, "l": ["a"]}).end(2)
    provider.shutdown()

    path, body = received[0]
    spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert path == "/v1/traces"
    assert body["resourceSpans"][0]["resource"] == {
        "attributes": [{"key": "service.name", "value": {"stringValue": "example"}}]
    }
    assert spans == [
        {
            "traceId": f"{outer_context.trace_id:032x}",
            "spanId": spans[0]["spanId"],
            "parentSpanId": f"{outer_context.span_id:016x}",
            "name": "inner",
            "kind": 1,
            "startTimeUnixNano": "1",
            "endTimeUnixNano": "2",
            "attributes": [
                {"key": "n", "value": {"intValue": "1"}},
                {"key": "ok", "value": {"boolValue": True}},
                {"key": "r", "value": {"doubleValue": 0.5}},
                {"key": "l", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}},
            ],
            "status": {"code": 0},
        }
    ]


def test_a_collector_that_is_away_costs_the_batch_only(unused_tcp_port: int, caplog: pytest.LogCaptureFixture) -> None:
    exporter = JsonExporter(f"http://127.0.0.1:{unused_tcp_port}/v1/traces")

    assert exporter.export([]) is SpanExportResult.FAILURE
    assert caplog.messages == [
        f"cannot send 0 spans to http://127.0.0.1:{unused_tcp_port}/v1/traces: <urlopen error [Errno 111] Connection refused>"
    ]
