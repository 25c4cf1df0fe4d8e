"""Calls of tools: scopes, arguments, results."""

from pydantic_core import to_json

from mcp_server.errors import AgentFacingError
from mcp_server.protocol.errors import INVALID_PARAMS, InsufficientScopeError, RpcError
from mcp_server.protocol.messages import Result, text_content
from mcp_server.tools.errors import UnexpectedContentError
from mcp_server.tools.registry import Arguments, Tool, ToolRegistry, describe_faults
from mcp_server.tools.request import Request


class ToolService:
    """Lists and calls the tools of a registry."""

    def __init__(self, registry: ToolRegistry) -> None:
        self._registry = registry
        self.definitions = [tool.definition() for tool in registry]

    def with_scopes(self) -> list[dict[str, object]]:
        """Return each tool with the scopes that it needs."""
        return [{**tool.definition(), "scopes": sorted(tool.scopes)} for tool in self._registry]

    async def call(self, name: str, arguments: Arguments, request: Request) -> Result:
        """Run a tool. What goes wrong inside it becomes a result with `isError`, which the agent can read.

        Raises:
            RpcError: There is no such tool, or the token lacks its scopes.
        """
        tool = self._registry.get(name)
        if tool is None:
            raise RpcError(INVALID_PARAMS, f"There is no tool {name!r}; there are {', '.join(self._registry.names)}")
        if missing := tool.scopes - request.principal.scopes:
            raise InsufficientScopeError(tool.name, tool.scopes, missing)
        if faults := describe_faults(tool.arguments, arguments):
            return _failed(f"The arguments of {name} are not valid: {faults}")
        try:
            return _succeeded(tool, await tool.run(arguments, request))
        except AgentFacingError as error:
            return _failed(str(error))


def _succeeded(tool: Tool, content: object) -> Result:
    if faults := describe_faults(tool.output, content):
        raise UnexpectedContentError(tool.name, faults)
    return {"content": [text_content(to_json(content).decode())], "structuredContent": content, "isError": False}


def _failed(text: str) -> Result:
    return {"content": [text_content(text)], "isError": True}
