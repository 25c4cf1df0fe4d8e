"""Export of spans by OTLP over HTTP in its JSON form (OTLP 1.x specification, "JSON Protobuf Encoding").

The usual exporter brings protobuf and requests, more than the rest of this library together; the JSON form needs neither.
"""

import json
import logging
import os
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, override

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_TIMEOUT_SECONDS = 5.0
_propagator = TraceContextTextMapPropagator()
_log = logging.getLogger(__name__)


def install(service: str, version: str, endpoint: str) -> TracerProvider:
    """Record spans from now on and send them to `endpoint`, the base URL of a collector (port 4318 as a rule)."""
    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.version": version}))
    provider.add_span_processor(BatchSpanProcessor(JsonExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)
    return provider


def start_server_span(name: str, traceparent: str, tracestate: str) -> AbstractContextManager[trace.Span]:
    """Context manager of a span for a request that was received with these headers; "" where there was none."""
    carrier = {"traceparent": traceparent, "tracestate": tracestate}
    parent = _propagator.extract({header: value for header, value in carrier.items() if value})
    return trace.get_tracer("nexus_chassis").start_as_current_span(name, parent, trace.SpanKind.SERVER)


class JsonExporter(SpanExporter):
    """Posts finished spans to an OTLP/HTTP traces URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json", **_headers(os.environ)}

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send one batch; a collector that is away costs the batch, never the service."""
        body = json.dumps(encode(spans)).encode()
        request = urllib.request.Request(self._url, body, self._headers)  # noqa: S310  the operator's own URL
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
                return SpanExportResult.SUCCESS
        except OSError as error:
            _log.warning("cannot send %d spans to %s: %s", len(spans), self._url, error)
            return SpanExportResult.FAILURE


def _headers(environ: Mapping[str, str]) -> dict[str, str]:
    pairs = environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(",")
    return {name.strip(): value.strip() for name, found, value in (pair.partition("=") for pair in pairs) if found}


def encode(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """An ExportTraceServiceRequest; all spans are of one resource."""
    resource = dict(spans[0].resource.attributes) if spans else {}
    scope = {"scope": {"name": "nexus_chassis"}, "spans": [_span(span) for span in spans]}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scope]}]}


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    encoded = {
        "traceId": trace.format_trace_id(context.trace_id if context else 0),
        "spanId": trace.format_span_id(context.span_id if context else 0),
        "name": span.name,
        "kind": span.kind.value + 1,  # the protocol counts from "unspecified"
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": {"code": span.status.status_code.value},
    }
    return encoded | ({"parentSpanId": trace.format_span_id(span.parent.span_id)} if span.parent else {})


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: object) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case tuple() | list():
            return {"arrayValue": {"values": [_value(item) for item in value]}}
        case _:
            return {"stringValue": str(value)}
