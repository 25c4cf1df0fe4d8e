"""HTTP client session for calls to other services."""

from types import SimpleNamespace
from typing import Any

import aiohttp

from nexus_chassis.telemetry import current_traceparent

_TOTAL_SECONDS = 30.0
_CONNECT_SECONDS = 2.0
_CONNECTIONS = 256


def create_http_session(**options: Any) -> aiohttp.ClientSession:  # noqa: ANN401  aiohttp's own options
    """A session that carries the trace on, with limits on time and connections; `options` go to aiohttp.

    To be made inside a running event loop, and closed by the caller.
    """
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=_TOTAL_SECONDS, connect=_CONNECT_SECONDS),
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=_CONNECTIONS),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[_tracing()],
        **options,
    )


def _tracing() -> aiohttp.TraceConfig:
    config = aiohttp.TraceConfig()
    config.on_request_start.append(_inject)
    return config


async def _inject(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestStartParams
) -> None:
    if (traceparent := current_traceparent()) is not None:
        params.headers["traceparent"] = traceparent
