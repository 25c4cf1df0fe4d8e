"""HTTP client session for calls to other services, and what reads their answers."""

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, override
from weakref import WeakKeyDictionary

import aiohttp

from nexus_chassis.limits import KIB
from nexus_chassis.pool_metrics import CONNECTIONS_USED
from nexus_chassis.telemetry import current_traceparent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

MAX_AGE_SECONDS = 60.0
"""How long a connection is used again, so that a service's new replicas receive their share of the requests."""

_TOTAL_SECONDS = 30.0
_CONNECT_SECONDS = 2.0
_CONNECTIONS = 256
_RECONNECT_SECONDS = 0.1
_READ_BYTES = 64 * KIB  # of an answer that nobody reads yet, twice that is kept; hundreds of them may wait for memory


def create_http_session(
    *,
    connector: "Connector | None" = None,
    connections: int = _CONNECTIONS,
    middlewares: "Sequence[aiohttp.ClientMiddlewareType]" = (),
    **options: Any,  # noqa: ANN401  aiohttp's own options
) -> aiohttp.ClientSession:
    """A session that carries the trace on, with limits on time and connections; `options` go to aiohttp.

    `connections` is how many there may be to one service, without a `connector`.

    To be made inside a running event loop, and closed by the caller.
    """
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=_TOTAL_SECONDS, connect=_CONNECT_SECONDS),
        connector=connector or _ReconnectingConnector(connections=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=_READ_BYTES,
        middlewares=[_carry_trace, *middlewares],
        **options,
    )


async def _carry_trace(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    if (traceparent := current_traceparent()) is not None:
        request.headers["traceparent"] = traceparent
    return await send(request)


class AnswerTooLargeError(ValueError):
    """An answer has more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"it has more than {limit} bytes")


async def read_at_most(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The content of an answer, of which no more is kept than `limit` bytes; raises AnswerTooLargeError."""
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > limit:
            raise AnswerTooLargeError(limit)
    return bytes(content)


class Connector(aiohttp.TCPConnector):
    """Closes pooled connections that are not usable any more, those of a certain age for one, instead of using them.

    `options` go to aiohttp's own connector.
    """

    def __init__(self, *, connections: int = _CONNECTIONS, **options: Any) -> None:  # noqa: ANN401  aiohttp's own options
        super().__init__(limit=0, limit_per_host=connections, **options)
        self._used = CONNECTIONS_USED.labels("http")
        self._opened: WeakKeyDictionary[ResponseHandler, float] = WeakKeyDictionary()

    @override
    async def connect(
        self, req: aiohttp.ClientRequest, traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "Connection":
        while True:
            connection = await super().connect(req, traces, timeout)
            if self._may_use(connection):
                self._used.inc()
                connection.add_callback(self._used.dec)
                return connection
            connection.close()

    def _may_use(self, connection: "Connection") -> bool:
        protocol = connection.protocol
        if protocol is None:
            return True
        if protocol not in self._opened:
            self._opened[protocol] = time.monotonic()
            return True
        return self.is_usable(protocol)

    def is_usable(self, protocol: "ResponseHandler") -> bool:
        """Whether a pooled connection may carry another request."""
        return time.monotonic() - self._opened[protocol] <= MAX_AGE_SECONDS


class _ReconnectingConnector(Connector):
    """Tries a second time to connect."""

    @override
    async def connect(
        self, req: aiohttp.ClientRequest, traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "Connection":
        connect: Callable[[], Awaitable[Connection]] = partial(super().connect, req, traces, timeout)
        try:
            return await connect()
        except aiohttp.ClientConnectorError:  # nothing was sent: a replica may have left, or another be about to start
            await asyncio.sleep(_RECONNECT_SECONDS)
            return await connect()
