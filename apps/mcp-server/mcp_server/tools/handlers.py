"""The methods tools/list and tools/call."""

from mcp_server.protocol.errors import INVALID_PARAMS, RpcError
from mcp_server.protocol.messages import Params, Result
from mcp_server.tools.request import Request
from mcp_server.tools.service import ToolService


class ToolHandlers:
    """Handlers of the methods on tools."""

    def __init__(self, service: ToolService) -> None:
        self._service = service

    async def list_tools(self, params: Params, _request: Request) -> Result:
        """Return all tools on one page."""
        if params.get("cursor") is not None:
            raise RpcError(INVALID_PARAMS, "There is only one page of tools; leave the cursor out")
        return {"tools": self._service.definitions}

    async def call_tool(self, params: Params, request: Request) -> Result:
        """Return the result of a tool."""
        name, arguments = params.get("name"), params.get("arguments")
        if not isinstance(name, str):
            raise RpcError(INVALID_PARAMS, "params.name must be the name of a tool")
        if arguments is None:  # some clients send null where they have none
            arguments = {}
        if not isinstance(arguments, dict):
            raise RpcError(INVALID_PARAMS, "params.arguments must be an object")
        return await self._service.call(name, arguments, request)
