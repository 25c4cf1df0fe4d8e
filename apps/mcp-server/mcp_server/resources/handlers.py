"""The methods on resources."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from mcp_server.protocol.errors import INVALID_PARAMS, INVALID_REQUEST, RpcError
from mcp_server.protocol.messages import InputRequired, Params, Result
from mcp_server.protocol.session import Session
from mcp_server.resources.service import ResourceService
from mcp_server.tools.request import Request


class SessionRequest(Protocol):
    """A request that may be one of a session."""

    @property
    def session(self) -> Session | None:
        """The session, where there is one."""

    @property
    def save(self) -> Callable[[Session], Awaitable[None]] | None:
        """Keeps a session that was changed."""


class ResourceHandlers:
    """Handlers of the methods on resources."""

    def __init__(self, service: ResourceService) -> None:
        self._service = service

    async def list_resources(self, params: Params, request: Request) -> Result:
        """Return all resources on one page."""
        _one_page(params)
        return {"resources": self._service.resources(request.principal.scopes)}

    async def list_templates(self, params: Params, request: Request) -> Result:
        """Return all templates on one page."""
        _one_page(params)
        return {"resourceTemplates": self._service.templates(request.principal.scopes)}

    async def read(self, params: Params, request: Request) -> Result | InputRequired:
        """Return the content of a resource."""
        return await self._service.read(_uri(params), request)

    async def subscribe(self, params: Params, request: SessionRequest) -> Result:
        """Let a session have notices of changes of a resource."""
        uri = _uri(params)
        self._service.require(uri)
        _session(request).subscribe(uri)
        return await _saved(request)

    async def unsubscribe(self, params: Params, request: SessionRequest) -> Result:
        """Let a session have no more of these notices."""
        _session(request).subscriptions.discard(_uri(params))
        return await _saved(request)


def _uri(params: Params) -> str:
    uri = params.get("uri")
    if not isinstance(uri, str):
        raise RpcError(INVALID_PARAMS, "params.uri must be the URI of a resource")
    return uri


def _one_page(params: Params) -> None:
    if params.get("cursor") is not None:
        raise RpcError(INVALID_PARAMS, "There is only one page of resources; leave the cursor out")


def _session(request: SessionRequest) -> Session:
    if request.session is None:
        raise RpcError(
            INVALID_REQUEST, "This needs a session: send initialize first, then Mcp-Session-Id with each request"
        )
    return request.session


async def _saved(request: SessionRequest) -> Result:
    if request.save is not None:
        await request.save(_session(request))
    return {}
