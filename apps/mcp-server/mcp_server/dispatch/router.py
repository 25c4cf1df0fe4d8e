"""The methods of each era, by name."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp_server.dispatch.context import RequestContext
from mcp_server.protocol import handshake, stateless
from mcp_server.protocol.errors import INTERNAL_ERROR, METHOD_NOT_FOUND, RpcError
from mcp_server.protocol.messages import Call, Params, Result

type Handler = Callable[[Params, RequestContext], Awaitable[Result]]

_log = logging.getLogger(__name__)


class MethodRouter:
    """Answers requests of both eras. `handlers` serve the methods that are the same in each."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        version: str,
        capabilities: Mapping[str, Any],
        instructions: str,
    ) -> None:
        self._about = {"capabilities": capabilities, "instructions": instructions}
        self._server_info = {"name": "nexus-mcp-server", "title": "Nexus", "version": version}
        self._handshake: dict[str, Handler] = {"initialize": self._initialize, "ping": self._ping, **handlers}
        self._stateless: dict[str, Handler] = {"server/discover": self._discover, **handlers}

    async def handshake(self, call: Call, context: RequestContext) -> Result:
        """Return the result of a request of the handshake era.

        Raises:
            RpcError: The method is unknown, its params are wrong, or it failed.
        """
        return await _run(self._handshake, call, context)

    async def stateless(self, call: Call, context: RequestContext) -> Result:
        """Return the result of a request of the stateless era.

        Raises:
            RpcError: The envelope or the params are wrong, the revision or the method is unknown, or it failed.
        """
        stateless.check_envelope(call)
        stateless.check_revision(call)
        return stateless.complete(call.method, await _run(self._stateless, call, context), self._server_info)

    async def _initialize(self, params: Params, _context: RequestContext) -> Result:
        return {"protocolVersion": handshake.negotiate(params), "serverInfo": self._server_info, **self._about}

    async def _discover(self, _params: Params, _context: RequestContext) -> Result:
        return {"supportedVersions": list(stateless.REVISIONS), **self._about}

    async def _ping(self, _params: Params, _context: RequestContext) -> Result:
        return {}


async def _run(handlers: Mapping[str, Handler], call: Call, context: RequestContext) -> Result:
    handler = handlers.get(call.method)
    if handler is None:
        raise RpcError(METHOD_NOT_FOUND, f"There is no method {call.method!r}; there are {', '.join(handlers)}")
    try:
        return await handler(call.params, context)
    except RpcError:
        raise
    except Exception:  # noqa: BLE001 - a fault in one request must not end the connection
        _log.exception("%s failed", call.method)
        raise RpcError(INTERNAL_ERROR, "The server failed on this request; its log has the reason") from None
