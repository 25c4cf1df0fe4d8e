"""Connections to the services."""

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, override
from weakref import WeakKeyDictionary

import aiohttp

from nexus_chassis.http import Connector, create_http_session

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")

_used: ContextVar[object] = ContextVar("used", default=None)
_avoided: ContextVar[object] = ContextVar("avoided", default=None)


class BrokenConnectionError(aiohttp.ClientError):
    """The connection broke before the head of the answer was complete."""

    def __init__(self, *, nothing_received: bool) -> None:
        super().__init__("the connection broke")
        self.nothing_received = nothing_received


def create_upstream_session() -> aiohttp.ClientSession:
    """A session for routed requests, which adds no headers to them and decompresses nothing.

    It tries everything once: what is tried again is decided where the retries are counted.
    """
    return create_http_session(
        connector=_ReplicaConnector(),
        middlewares=[_try_once],
        auto_decompress=False,
        skip_auto_headers=_OWN_HEADERS,
    )


def avoid_last_peer() -> None:
    """Use no pooled connection to the replica that got the last request of this task.

    A new connection goes to the next address of the service, as aiohttp takes them in turn.
    """
    _avoided.set(_used.get())


async def _try_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Report a broken connection as an error that aiohttp does not repeat the request for."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except aiohttp.ServerDisconnectedError as error:
        raise BrokenConnectionError(nothing_received=isinstance(error.message, str)) from error
    except aiohttp.ClientOSError as error:
        raise BrokenConnectionError(nothing_received=True) from error


class _ReplicaConnector(Connector):
    """Knows which replica of a service a connection leads to."""

    def __init__(self) -> None:
        super().__init__()
        self._peers: WeakKeyDictionary[ResponseHandler, Any] = WeakKeyDictionary()

    @override
    async def connect(
        self, req: aiohttp.ClientRequest, traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "Connection":
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        if protocol is not None:
            if protocol not in self._peers and protocol.transport is not None:
                self._peers[protocol] = protocol.transport.get_extra_info("peername")
            _used.set(self._peers.get(protocol))
        return connection

    @override
    def is_usable(self, protocol: "ResponseHandler") -> bool:
        avoided = _avoided.get()
        return super().is_usable(protocol) and (avoided is None or self._peers.get(protocol) != avoided)
