"""HTTP client session for calls to other services."""

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, override
from weakref import WeakKeyDictionary

import aiohttp

from nexus_chassis.telemetry import current_traceparent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

MAX_AGE_SECONDS = 60.0
"""How long a connection is used again, so that a service's new replicas receive their share of the requests."""

_TOTAL_SECONDS = 30.0
_CONNECT_SECONDS = 2.0
_CONNECTIONS = 256
_RECONNECT_SECONDS = 0.1


def create_http_session(**options: Any) -> aiohttp.ClientSession:  # noqa: ANN401  aiohttp's own options
    """A session that carries the trace on, with limits on time and connections; `options` go to aiohttp.

    To be made inside a running event loop, and closed by the caller.
    """
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=_TOTAL_SECONDS, connect=_CONNECT_SECONDS),
        connector=_Connector(),
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=[_carry_trace],
        **options,
    )


async def _carry_trace(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    if (traceparent := current_traceparent()) is not None:
        request.headers["traceparent"] = traceparent
    return await send(request)


class _Connector(aiohttp.TCPConnector):
    """Tries a second time to connect, and closes pooled connections of a certain age instead of using them."""

    def __init__(self) -> None:
        super().__init__(limit=0, limit_per_host=_CONNECTIONS)
        self._opened: WeakKeyDictionary[ResponseHandler, float] = WeakKeyDictionary()

    @override
    async def connect(
        self, req: aiohttp.ClientRequest, traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "Connection":
        connect = partial(super().connect, req, traces, timeout)
        try:
            return await self._connect_young(connect)
        except aiohttp.ClientConnectorError:  # nothing was sent: a replica may have left, or another be about to start
            await asyncio.sleep(_RECONNECT_SECONDS)
            return await self._connect_young(connect)

    async def _connect_young(self, connect: "Callable[[], Awaitable[Connection]]") -> "Connection":
        while True:
            connection = await connect()
            if connection.protocol is None:
                return connection
            now = time.monotonic()
            if now - self._opened.setdefault(connection.protocol, now) <= MAX_AGE_SECONDS:
                return connection
            connection.close()
