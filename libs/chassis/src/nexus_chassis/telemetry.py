"""Telemetry: W3C trace context through every hop, request metrics, and spans by OTLP where an endpoint is set."""

import os
import secrets
import time
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Histogram

from nexus_chassis import logs

if TYPE_CHECKING:
    from opentelemetry.trace import Span
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_propagator = TraceContextTextMapPropagator()
_QUIET = frozenset({"/livez", "/readyz", "/health"})

REQUESTS = Counter("http_requests", "HTTP requests served", ["method", "route", "status"])
SECONDS = Histogram(
    "http_request_duration_seconds",
    "Seconds from the first byte of a request to the last byte of its answer",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WEBSOCKETS = Counter("websocket_connections", "WebSocket connections that have ended", ["route"])


def configure_tracing(service: str, version: str) -> None:
    """Export spans when OTEL_EXPORTER_OTLP_ENDPOINT is set."""
    if endpoint := os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        from nexus_chassis import otlp  # noqa: PLC0415  costs start-up time and memory that few need

        otlp.install(service, version, endpoint)


def current_traceparent() -> str | None:
    """The `traceparent` header (W3C Trace Context) for calls made on behalf of the current request."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


class TelemetryMiddleware:
    """Gives each request its place in a trace, and counts and times it by route."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"} or scope["path"] in _QUIET:
            await self._app(scope, receive, send)
            return
        span = _start_span(scope)
        marker = logs.trace_id.set(trace.format_trace_id(span.get_span_context().trace_id))
        try:
            with trace.use_span(span, end_on_exit=True):
                await self._measure(scope, receive, send, span)
        finally:
            logs.trace_id.reset(marker)

    async def _measure(self, scope: "Scope", receive: "Receive", send: "Send", span: "Span") -> None:
        if scope["type"] == "websocket":
            try:
                await self._app(scope, receive, send)
            finally:
                WEBSOCKETS.labels(_route(scope)).inc()
            return
        status = 500

        async def watch(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, watch)
        finally:
            _record(scope, status, time.perf_counter() - started, span)


def _record(scope: "Scope", status: int, seconds: float, span: "Span") -> None:
    method, route = scope["method"], _route(scope)
    REQUESTS.labels(method, route, status).inc()
    SECONDS.labels(method, route).observe(seconds)
    if span.is_recording():
        span.update_name(f"{method} {route}")
        span.set_attribute("http.request.method", method)
        span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)


def _route(scope: "Scope") -> str:
    """The route's pattern, never the path itself: labels must stay few."""
    return str(getattr(scope.get("route"), "path", "(none)"))


def _start_span(scope: "Scope") -> "Span":
    carrier = {"traceparent": _header(scope, b"traceparent"), "tracestate": _header(scope, b"tracestate")}
    parent = _propagator.extract({name: value for name, value in carrier.items() if value})
    span = trace.get_tracer("nexus_chassis").start_span(scope["path"], parent, trace.SpanKind.SERVER)
    if span.is_recording():
        return span
    context = span.get_span_context()
    trace_id = context.trace_id or secrets.randbits(128) or 1
    flags = context.trace_flags if context.is_valid else TraceFlags(0)
    own = SpanContext(trace_id, secrets.randbits(64) or 1, False, flags, context.trace_state)  # noqa: FBT003
    return NonRecordingSpan(own)


def _header(scope: "Scope", name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
