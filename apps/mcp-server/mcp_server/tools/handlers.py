"""The methods tools/list and tools/call."""

from mcp_server.protocol.errors import INVALID_PARAMS, RpcError
from mcp_server.protocol.messages import InputRequired, Params, Result
from mcp_server.tools.request import Request
from mcp_server.tools.service import CallRequest, Tasks, ToolService


class ToolHandlers:
    """Handlers of the methods on tools; `tasks` runs those that go on after their call was answered."""

    def __init__(self, service: ToolService, tasks: Tasks) -> None:
        self._service = service
        self._tasks = tasks

    async def list_tools(self, params: Params, request: Request) -> Result:
        """Return all tools that the client may call, on one page."""
        if params.get("cursor") is not None:
            raise RpcError(INVALID_PARAMS, "There is only one page of tools; leave the cursor out")
        return await self._service.listing(request.principal)

    async def call_tool(self, params: Params, request: CallRequest) -> Result | InputRequired:
        """Return the result of a tool."""
        name, arguments = params.get("name"), params.get("arguments")
        if not isinstance(name, str):
            raise RpcError(INVALID_PARAMS, "params.name must be the name of a tool")
        if arguments is None:  # some clients send null where they have none
            arguments = {}
        if not isinstance(arguments, dict):
            raise RpcError(INVALID_PARAMS, "params.arguments must be an object")
        return await self._service.call(name, arguments, request, self._tasks)
