"""Calls of tools: scopes, arguments, results."""

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic_core import to_json

from mcp_server.errors import AgentFacingError
from mcp_server.protocol.capabilities import TASKS, has_tasks
from mcp_server.protocol.errors import INVALID_PARAMS, InsufficientScopeError, MissingCapabilityError, RpcError
from mcp_server.protocol.messages import Encoded, InputRequired, Result, text_content
from mcp_server.tools.bounded_validator import CheckTooLongError
from mcp_server.tools.errors import UnexpectedContentError
from mcp_server.tools.registry import Arguments, Content, Tool, ToolRegistry
from mcp_server.tools.request import Request
from nexus_chassis.principal import Principal

_MAX_LISTS = 256


class Tasks(Protocol):
    """Who runs tools in tasks."""

    async def start(
        self,
        principal: Principal,
        tool: str,
        arguments: dict[str, Any],
        capabilities: Mapping[str, Any],
        responses: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Start a task and return it."""


class Rounds(Protocol):
    """Who knows which rounds were used."""

    async def use(self, round_id: str) -> bool:
        """Take note of the use of a round; returns whether it is the first."""


class CallRequest(Request, Protocol):
    """The request that calls a tool."""

    @property
    def round_id(self) -> str | None:
        """What names the round of a request that carries a state."""


class ToolService:
    """Lists and calls the tools of a registry."""

    def __init__(self, registry: ToolRegistry, rounds: Rounds) -> None:
        self._registry = registry
        self._rounds = rounds
        self._lists: dict[frozenset[str], Encoded] = {}

    def with_scopes(self) -> list[dict[str, object]]:
        """Return each tool with the scopes that it needs."""
        return [{**tool.definition(), "scopes": sorted(tool.scopes)} for tool in self._registry]

    def listing(self, scopes: frozenset[str]) -> Encoded:
        """Return the tools that a token with these scopes may call, as the result of tools/list."""
        known = scopes & self._registry.scopes
        if (encoded := self._lists.get(known)) is None:
            shown = [tool.definition() for tool in self._registry if tool.scopes <= known]
            encoded = Encoded(to_json({"tools": shown})[1:-1])
            if len(self._lists) < _MAX_LISTS:
                self._lists[known] = encoded
        return encoded

    def param_headers(self, name: object) -> Mapping[str, tuple[str, ...]]:
        """Return the arguments of a tool that clients repeat in headers; none where there is no such tool."""
        tool = self._registry.get(name) if isinstance(name, str) else None
        return {} if tool is None else tool.param_headers

    async def call(self, name: str, arguments: Arguments, request: CallRequest, tasks: Tasks) -> Result | InputRequired:
        """Run a tool. What goes wrong inside it becomes a result with `isError`, which the agent can read.

        Raises:
            RpcError: There is no such tool, or the token lacks its scopes.
        """
        tool = self._find(name)
        if missing := tool.scopes - request.principal.scopes:
            raise InsufficientScopeError(tool.name, tool.scopes, missing)
        if faults := _faults(tool, arguments):
            return _failed(f"The arguments of {name} are not valid: {faults}")
        if request.round_id is not None and not tool.read_only:
            await self._use_once(request.round_id)
        if tool.task != "forbidden":
            return await self._call_as_task(tool, arguments, request, tasks)
        return await _run(tool, arguments, request)

    async def run(self, name: str, arguments: Arguments, request: Request) -> Result | InputRequired:
        """Run a tool on arguments that were checked."""
        return await _run(self._find(name), arguments, request)

    def _find(self, name: str) -> Tool:
        tool = self._registry.get(name)
        if tool is None:
            known = ", ".join(self._registry.names[:100])
            raise RpcError(INVALID_PARAMS, f"There is no tool {name!r:.200}; there are {known}")
        return tool

    async def _call_as_task(
        self, tool: Tool, arguments: Arguments, request: CallRequest, tasks: Tasks
    ) -> Result | InputRequired:
        if not has_tasks(request.capabilities):
            if tool.task == "required":
                raise MissingCapabilityError({"extensions": {TASKS: {}}})
            return await _run(tool, arguments, request)
        if tool.prepare is not None and (needed := await tool.prepare(arguments, request)) is not None:
            return needed
        return await tasks.start(request.principal, tool.name, arguments, request.capabilities, request.responses)

    async def _use_once(self, round_id: str) -> None:
        if not await self._rounds.use(round_id):
            raise RpcError(INVALID_PARAMS, "params.requestState was used already; send the request without it")


async def _run(tool: Tool, arguments: Arguments, request: Request) -> Result | InputRequired:
    try:
        content = await tool.run(arguments, request)
        if isinstance(content, InputRequired):
            return content
        if isinstance(content, Content):
            return {"content": content.blocks, "isError": content.is_error}
        return _succeeded(tool, content)
    except AgentFacingError as error:
        return _failed(str(error))


def _faults(tool: Tool, arguments: Arguments) -> str:
    try:
        return tool.arguments.faults(arguments)
    except CheckTooLongError:
        text = f"The arguments of {tool.name} take too long to check against its schema; send fewer or simpler values"
        raise RpcError(INVALID_PARAMS, text) from None


def _faults_of_output(tool: Tool, content: object) -> str:
    try:
        return "" if tool.output is None else tool.output.faults(content)
    except CheckTooLongError:
        return "it takes too long to check"


def _succeeded(tool: Tool, content: object) -> Result:
    if faults := _faults_of_output(tool, content):
        raise UnexpectedContentError(tool.name, faults)
    text = to_json(content)
    parts = (
        b'"content":[{"type":"text","text":',
        to_json(text.decode()),
        b'}],"structuredContent":',
        text,
        b',"isError":false',
    )
    return Encoded(b"".join(parts))


def _failed(text: str) -> Result:
    return {"content": [text_content(text)], "isError": True}
