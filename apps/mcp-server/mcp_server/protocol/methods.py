"""The methods of each era, dispatched by name."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mcp_server.protocol import revisions
from mcp_server.protocol.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Call,
    Params,
    Result,
    RpcError,
)
from mcp_server.tools.registry import Toolbox
from nexus_chassis.tokens import Principal

type Handler = Callable[[Params, Principal], Awaitable[Result]]

_CATALOGUE_MILLISECONDS = 60_000
_INSTRUCTIONS = (
    "Tools over this company's product data. classify_products gives UNSPSC or ETIM codes with confidence; "
    "list_products and get_product read the stored products."
)
_log = logging.getLogger(__name__)


class Methods:
    """Answers requests of both eras."""

    def __init__(self, toolbox: Toolbox, version: str) -> None:
        self._toolbox = toolbox
        self._server_info = {"name": "nexus-mcp-server", "title": "Nexus", "version": version}
        self._handshake: dict[str, Handler] = {
            "initialize": self._initialize,
            "ping": self._ping,
            "tools/list": self._list_tools,
            "tools/call": self._call_tool,
        }
        self._modern: dict[str, Handler] = {
            "server/discover": self._discover,
            "tools/list": self._list_tools_cacheable,
            "tools/call": self._call_tool,
        }

    async def handshake(self, call: Call, caller: Principal) -> Result:
        """Give the result of a request of the handshake era.

        Raises:
            RpcError: The method is unknown, its params are wrong, or it failed.
        """
        return await self._run(self._handshake, call, caller)

    async def modern(self, call: Call, caller: Principal) -> Result:
        """Give the result of a request of the modern era.

        Raises:
            RpcError: The revision is unknown, the envelope or the params are wrong, the method is unknown, or it failed.
        """
        revisions.check_envelope(call)
        revisions.check_revision(call)
        result = await self._run(self._modern, call, caller)
        return {"resultType": "complete", **result, "_meta": {revisions.SERVER_INFO_KEY: self._server_info}}

    async def _run(self, methods: dict[str, Handler], call: Call, caller: Principal) -> Result:
        handler = methods.get(call.method)
        if handler is None:
            raise RpcError(METHOD_NOT_FOUND, f"There is no method {call.method!r}; there are {', '.join(methods)}")
        try:
            return await handler(call.params, caller)
        except RpcError:
            raise
        except Exception:  # noqa: BLE001 - a fault in one request must not end the connection
            _log.exception("%s failed", call.method)
            raise RpcError(INTERNAL_ERROR, "The server failed on this request; its log has the reason") from None

    async def _initialize(self, params: Params, _caller: Principal) -> Result:
        requested = params.get("protocolVersion")
        if not isinstance(requested, str):
            raise RpcError(INVALID_PARAMS, "params.protocolVersion must be a string")
        return {
            "protocolVersion": revisions.negotiate(requested),
            "capabilities": self._capabilities(),
            "serverInfo": self._server_info,
            "instructions": _INSTRUCTIONS,
        }

    async def _discover(self, _params: Params, _caller: Principal) -> Result:
        return {
            "supportedVersions": list(revisions.MODERN),
            "capabilities": self._capabilities(),
            "instructions": _INSTRUCTIONS,
            **_cacheable(),
        }

    async def _ping(self, _params: Params, _caller: Principal) -> Result:
        return {}

    async def _list_tools(self, params: Params, _caller: Principal) -> Result:
        if params.get("cursor") is not None:
            raise RpcError(INVALID_PARAMS, "There is only one page of tools; leave the cursor out")
        return {"tools": self._toolbox.listing}

    async def _list_tools_cacheable(self, params: Params, caller: Principal) -> Result:
        return {**await self._list_tools(params, caller), **_cacheable()}

    async def _call_tool(self, params: Params, caller: Principal) -> Result:
        name, arguments = params.get("name"), params.get("arguments", {})
        if not isinstance(name, str):
            raise RpcError(INVALID_PARAMS, "params.name must be the name of a tool")
        if not isinstance(arguments, dict):
            raise RpcError(INVALID_PARAMS, "params.arguments must be an object")
        return await self._toolbox.call(name, arguments, caller)

    def _capabilities(self) -> dict[str, Any]:
        return {"tools": {}}


def _cacheable() -> Result:
    """What modern results say about keeping them: the tools are the same for everyone until the server restarts."""
    return {"ttlMs": _CATALOGUE_MILLISECONDS, "cacheScope": "public"}
