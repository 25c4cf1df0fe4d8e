"""The node types that mcp-server runs for workflows: those of dataflow-service, and ToolNode, with the caller's token."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic_core import from_json

from mcp_server.errors import AgentFacingError
from mcp_server.protocol.errors import RpcError
from mcp_server.protocol.messages import Encoded, InputRequired, Result
from mcp_server.workflows.caller import NodeRequest
from mcp_server.workflows.definitions import NODES, TOOL
from mcp_server.workflows.errors import DataNodeRefusedError
from mcp_server.workflows.models import Content, ExternalNode
from nexus_chassis.admission import Admission
from nexus_chassis.principal import Principal

_READING = frozenset({"read", "list", "count"})
_TOOL_NODE = ExternalNode(parameters=["tool", "arguments"])


class Upstream(Protocol):
    """A service of the stack, called with a token of one scope."""

    @property
    def scope(self) -> str:
        """The scope."""

    async def request(self, method: str, path: str, request: NodeRequest, *, body: object = None) -> Any:  # noqa: ANN401
        """Call the service on behalf of `request` and return the JSON of its answer; raises AgentFacingError."""


class Tools(Protocol):
    """Who calls tools."""

    async def is_read_only(self, name: str, principal: Principal) -> bool:
        """Return whether a tool changes nothing; raises RpcError where there is none."""

    async def call(self, name: str, arguments: dict[str, Any], request: NodeRequest) -> Result | InputRequired:
        """Run a tool; raises RpcError."""


@dataclass(frozen=True, slots=True)
class ExternalNodes:
    """Runs them. `reading` and `writing` are dataflow-service, with tokens of different scopes."""

    reading: Upstream
    writing: Upstream
    tools: Tools
    admission: Admission

    async def find(self, node_types: set[str], principal: Principal) -> dict[str, ExternalNode]:
        """Return those of the types that mcp-server runs; asks dataflow-service unless Kailash has all others.

        Raises:
            AgentFacingError: dataflow-service cannot be asked.
        """
        found = {TOOL: _TOOL_NODE} if TOOL in node_types else {}
        wanted = node_types - NODES.keys() - {TOOL}
        if not wanted:
            return found
        answer = await self._ask(self.reading, "GET", "/v1/nodes", None, principal)
        return found | {
            item["node"]: self._external(item)
            for item in answer.get("items", ())
            if item["node"] in wanted and item["node"] not in NODES
        }

    def _external(self, item: Mapping[str, Any]) -> ExternalNode:
        reads = item["operation"] in _READING
        scope = self.reading.scope if reads else self.writing.scope
        return ExternalNode(parameters=list(item["parameters"]), scope=scope, changes=not reads)

    async def changes(self, name: str, node: ExternalNode, parameters: Mapping[str, Any], principal: Principal) -> bool:
        """Return whether running a node may change something; raises DataNodeRefusedError."""
        if name != TOOL:
            return node.changes
        try:
            return not await self.tools.is_read_only(_tool(parameters), principal)
        except RpcError as error:
            raise DataNodeRefusedError(error.message) from None

    async def run(
        self, name: str, node: ExternalNode, parameters: dict[str, Any], principal: Principal
    ) -> dict[str, Any]:
        """Run a node and return its outputs; raises DataNodeRefusedError."""
        try:
            if name == TOOL:
                return await self._call_tool(parameters, principal)
            upstream = self.writing if node.changes else self.reading
            return await self._ask(upstream, "POST", f"/v1/nodes/{name}/execute", {"parameters": parameters}, principal)
        except RpcError as error:
            raise DataNodeRefusedError(error.message) from None
        except AgentFacingError as error:
            raise DataNodeRefusedError(str(error)) from None

    async def _ask(
        self, upstream: Upstream, method: str, path: str, body: object, principal: Principal
    ) -> dict[str, Any]:
        request = NodeRequest(principal, self.admission)
        try:
            answer = await upstream.request(method, path, request, body=body)
        finally:
            request.release()
        if not isinstance(answer, dict):
            raise DataNodeRefusedError("dataflow-service answered with something else than an object.")
        return answer

    async def _call_tool(self, parameters: Mapping[str, Any], principal: Principal) -> dict[str, Any]:
        name, arguments = _tool(parameters), parameters.get("arguments", {})
        if not isinstance(arguments, dict):
            raise DataNodeRefusedError(f"The arguments of {name} must be an object.")
        request = NodeRequest(principal, self.admission)
        try:
            return {"result": _content(name, await self.tools.call(name, arguments, request))}
        finally:
            request.release()


def permitted(content: Content, name: str, parameters: Mapping[str, Any]) -> ExternalNode:
    """Return a node that the process of a run asks for; whatever runs there may ask for anything.

    Raises:
        DataNodeRefusedError: The version has no such node, or names another tool.
    """
    node = content.external_nodes.get(name)
    if node is None:
        raise DataNodeRefusedError(f"The workflow has no node of the type {name!r:.100}.")
    if name == TOOL and (tool := _tool(parameters)) not in content.tools:
        raise DataNodeRefusedError(f"No node of the workflow names the tool {tool!r:.100}.")
    return node


def _tool(parameters: Mapping[str, Any]) -> str:
    name = parameters.get("tool")
    if not isinstance(name, str):
        raise DataNodeRefusedError(f"A {TOOL} needs the name of a tool in its config.")
    return name


def _content(name: str, result: Result | InputRequired) -> Any:  # noqa: ANN401  any JSON value
    if isinstance(result, InputRequired):
        raise DataNodeRefusedError(f"{name} needs something from a user, which a workflow cannot ask for.")
    members = from_json(b"{" + result + b"}") if isinstance(result, Encoded) else result
    texts = "\n".join(block["text"] for block in members.get("content", ()) if block.get("type") == "text")
    if members.get("isError"):
        raise DataNodeRefusedError(texts)
    return members.get("structuredContent", texts)
