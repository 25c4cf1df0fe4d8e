"""Telemetry: W3C trace context through every hop, request metrics, and spans by OTLP where an endpoint is set.

Without an endpoint no span is made: a request then costs a few microseconds here. OpenTelemetry is imported on demand.
"""

import os
import random
import re
import time
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

from nexus_chassis import logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from opentelemetry.trace import Span
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_QUIET = frozenset({"/livez", "/readyz", "/health"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SERIES = 4096
_TRACEPARENT = re.compile(  # version 00 has nothing after the flags, later ones may (W3C Trace Context section 3.2.4)
    rb"(?:00(?=.{53}\Z)|(?!00|ff)[0-9a-f]{2}(?=.{53}(?:-|\Z)))"
    rb"-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})"
)

REQUESTS = Counter("http_requests", "HTTP requests served", ["method", "route", "status"])
SECONDS = Histogram(
    "http_request_duration_seconds",
    "seconds from the first byte of a request to the last byte of its answer",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WEBSOCKETS = Counter("websocket_connections", "WebSocket connections that have ended", ["route"])

_requests = lru_cache(_SERIES)(REQUESTS.labels)
_seconds = lru_cache(_SERIES)(SECONDS.labels)
_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
_start_span: "Callable[[str, str, str], AbstractContextManager[Span]] | None" = None


def configure_tracing(service: str, version: str) -> None:
    """Export spans when OTEL_EXPORTER_OTLP_ENDPOINT is set."""
    if endpoint := os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        from nexus_chassis import otlp  # noqa: PLC0415  costs start-up time and memory that few need

        otlp.install(service, version, endpoint)
        global _start_span  # noqa: PLW0603  a process exports to one collector
        _start_span = otlp.start_server_span


def current_traceparent() -> str | None:
    """The `traceparent` header (W3C Trace Context) for calls made on behalf of the current request."""
    return _traceparent.get()


@contextmanager
def continuing_trace(traceparent: str) -> "Iterator[None]":
    """Work in the trace of `traceparent`, which came within a message; one that is malformed changes nothing."""
    match = _TRACEPARENT.match(traceparent.encode("ascii", "replace"))
    if match is None:
        yield
        return
    trace_id, continued = _continue_trace(match[0])
    markers = logs.trace_id.set(trace_id), _traceparent.set(continued)
    try:
        yield
    finally:
        logs.trace_id.reset(markers[0])
        _traceparent.reset(markers[1])


type TrustsPeer = Callable[[str], bool]
"""Whether the peer with this address may say which trace its requests belong to."""


class TelemetryMiddleware:
    """Finds each request's place in a trace, and counts and times it by route.

    A request of a peer that `trusts_peer` refuses begins a new trace: otherwise its sender would decide what is sampled.
    """

    def __init__(self, app: "ASGIApp", trusts_peer: TrustsPeer | None = None) -> None:
        self._app = app
        self._trusts_peer = trusts_peer

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"} or scope["path"] in _QUIET:
            await self._app(scope, receive, send)
            return
        if _start_span is None:
            trace_id, traceparent = _continue_trace(self._header(scope, b"traceparent"))
            await self._serve(scope, receive, send, trace_id, traceparent)
            return
        parent, state = self._header(scope, b"traceparent"), self._header(scope, b"tracestate")
        with _start_span(scope["path"], parent.decode("latin-1"), state.decode("latin-1")) as span:
            context = span.get_span_context()
            trace_id = f"{context.trace_id:032x}"
            traceparent = f"00-{trace_id}-{context.span_id:016x}-{context.trace_flags:02x}"
            status = await self._serve(scope, receive, send, trace_id, traceparent)
            _describe(span, scope, status)

    def _header(self, scope: "Scope", name: bytes) -> bytes:
        if self._trusts_peer is not None and not (scope["client"] and self._trusts_peer(scope["client"][0])):
            return b""
        return _header(scope, name)

    async def _serve(
        self, scope: "Scope", receive: "Receive", send: "Send", trace_id: str, traceparent: str
    ) -> int | None:
        """The status of the answer; None for a WebSocket."""
        markers = logs.trace_id.set(trace_id), _traceparent.set(traceparent)
        try:
            if scope["type"] == "http":
                return await self._measure(scope, receive, send)
            try:
                await self._app(scope, receive, send)
            finally:
                WEBSOCKETS.labels(_route(scope)).inc()
            return None
        finally:
            logs.trace_id.reset(markers[0])
            _traceparent.reset(markers[1])

    async def _measure(self, scope: "Scope", receive: "Receive", send: "Send") -> int:
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
            method, route = _method(scope), _route(scope)
            _requests(method, route, status).inc()
            _seconds(method, route).observe(time.perf_counter() - started)
        return status


def _continue_trace(parent: bytes) -> tuple[str, str]:
    """Trace id and `traceparent` of a request in its parent's trace, or in a new one that is not sampled.

    Ids only have to differ: as OpenTelemetry's, they are random numbers that cost no call of the system.
    """
    span_id = f"{random.getrandbits(64):016x}"
    match = _TRACEPARENT.match(parent)
    if match is None:
        trace_id = f"{random.getrandbits(128):032x}"
        return trace_id, f"00-{trace_id}-{span_id}-00"
    trace_id = match[1].decode()
    return trace_id, f"00-{trace_id}-{span_id}-{match[2].decode()}"


def _describe(span: "Span", scope: "Scope", status: int | None) -> None:
    method, route = _method(scope), _route(scope)
    span.update_name(f"{method} {route}")
    span.set_attribute("http.request.method", method)
    span.set_attribute("http.route", route)
    if status is not None:
        span.set_attribute("http.response.status_code", status)


def _method(scope: "Scope") -> str:
    """The method; a WebSocket begins with GET. Labels must stay few, so that odd methods share one."""
    method: str = scope.get("method", "GET")
    return method if method in _METHODS else "(other)"


def _route(scope: "Scope") -> str:
    """The route's pattern, never the path itself: labels must stay few."""
    return str(getattr(scope.get("route"), "path", "(none)"))


def _header(scope: "Scope", name: bytes) -> bytes:
    """The header's value; empty where it is missing or there twice (W3C Trace Context section 3.2.2)."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0] if len(found) == 1 else b""
