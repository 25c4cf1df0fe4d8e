from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once  # the API sets its provider once for each process
from prometheus_client import REGISTRY
from starlette.types import Message, Receive, Scope, Send

from nexus_chassis import logs, otlp, telemetry
from nexus_chassis.telemetry import TelemetryMiddleware, TrustsPeer, continuing_trace, current_traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
VALID = f"00-{TRACE}-{SPAN}-01"


class Seen:
    """An application that notes the trace of each request."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.traceparents: list[str] = []
        self.trace_ids: list[str | None] = []

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        self.traceparents.append(str(current_traceparent()))
        self.trace_ids.append(logs.trace_id.get())
        scope["route"] = type("Route", (), {"path": "/things/{id}"})()
        await send({"type": "http.response.start", "status": self.status, "headers": []})


async def serve(
    app: Seen, *headers: tuple[bytes, bytes], method: str = "GET", trusts_peer: TrustsPeer | None = None
) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(_: Message) -> None:
        """The answer is not looked at."""

    scope = {
        "type": "http",
        "path": "/things/1",
        "method": method,
        "headers": list(headers),
        "client": ("10.0.0.1", 1234),
    }
    await TelemetryMiddleware(app, trusts_peer)(scope, receive, send)


@pytest.mark.parametrize("sent", [VALID, f"cc-{TRACE}-{SPAN}-01-later"])
async def test_a_request_is_part_of_the_trace_that_it_was_sent_in(sent: str) -> None:
    app = Seen()
    await serve(app, (b"traceparent", sent.encode()))

    (traceparent,) = app.traceparents
    assert app.trace_ids == [TRACE]
    assert traceparent.startswith(f"00-{TRACE}-")
    assert traceparent.endswith("-01")
    assert SPAN not in traceparent


@pytest.mark.parametrize(("trusted", "continued"), [("10.0.0.1", True), ("10.0.0.2", False)])
async def test_a_peer_that_is_not_trusted_begins_a_trace_of_its_own(trusted: str, *, continued: bool) -> None:
    app = Seen()
    await serve(app, (b"traceparent", VALID.encode()), trusts_peer=lambda peer: peer == trusted)

    assert (app.trace_ids == [TRACE], app.traceparents[0].endswith("-01")) == (continued, continued)


INVALID = [
    "",
    VALID.upper(),
    f"ff-{TRACE}-{SPAN}-01",
    f"cc-{TRACE}-{SPAN}-01later",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE}-{SPAN}",
    "\u00e9",
]


@pytest.mark.parametrize("sent", INVALID)
async def test_a_request_without_a_valid_trace_begins_one(sent: str) -> None:
    app = Seen()
    await serve(app, (b"traceparent", sent.encode("latin-1")))
    await serve(app)

    assert len(set(app.trace_ids)) == 2
    assert TRACE not in app.trace_ids
    assert [text[-3:] for text in app.traceparents] == ["-00", "-00"]


async def test_two_traces_are_none() -> None:
    app = Seen()
    await serve(app, (b"traceparent", VALID.encode()), (b"traceparent", VALID.encode()))

    assert app.trace_ids != [TRACE]


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_requests_are_counted_by_route_and_odd_methods_together() -> None:
    labels = {"route": "/things/{id}", "status": "418"}
    await serve(Seen(418), method="BREW")
    await serve(Seen(418), method="PROPFIND")
    await serve(Seen(418))

    assert sample("http_requests_total", method="(other)", **labels) == 2
    assert sample("http_requests_total", method="GET", **labels) == 1
    assert sample("http_request_duration_seconds_count", method="(other)", route="/things/{id}") == 2


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[ReadableSpan, ...]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(telemetry, "_start_span", otlp.start_server_span)
    return exporter.get_finished_spans


async def test_a_span_is_recorded_where_there_is_a_collector(spans: Callable[[], tuple[ReadableSpan, ...]]) -> None:
    app = Seen()
    await serve(app, (b"traceparent", VALID.encode()))

    (span,) = spans()
    assert span.context is not None
    assert span.parent is not None
    assert (span.name, dict(span.attributes or {})) == (
        "GET /things/{id}",
        {"http.request.method": "GET", "http.route": "/things/{id}", "http.response.status_code": 200},
    )
    assert f"{span.parent.span_id:016x}" == SPAN
    assert app.traceparents == [f"00-{TRACE}-{span.context.span_id:016x}-01"]


def test_work_continues_the_trace_that_a_message_names_and_then_leaves_it() -> None:
    with continuing_trace(VALID):
        assert (current_traceparent() or "").startswith(f"00-{TRACE}-")
    for malformed in ("", "x", f"00-{TRACE}-0000000000000000-01", "ü" * 55):
        with continuing_trace(malformed):
            assert current_traceparent() is None
