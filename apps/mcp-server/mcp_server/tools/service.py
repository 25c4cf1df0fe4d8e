"""Calls of tools: scopes, arguments, results."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Protocol

from pydantic_core import to_json

from mcp_server.errors import AgentFacingError
from mcp_server.metrics import CALLS_REFUSED, REGISTERED, tool_seconds
from mcp_server.protocol.capabilities import TASKS, has_tasks
from mcp_server.protocol.errors import (
    INVALID_PARAMS,
    OVERLOADED,
    InsufficientScopeError,
    MissingCapabilityError,
    RpcError,
)
from mcp_server.protocol.messages import Encoded, InputRequired, Result, text_content
from mcp_server.tools.bounded_validator import CheckTooLongError
from mcp_server.tools.catalogues import Catalogues
from mcp_server.tools.errors import ToolsAwayError, UnexpectedContentError
from mcp_server.tools.registry import Arguments, Begin, Content, Tool
from mcp_server.tools.request import Request
from mcp_server.tools.tenants import tenant_of
from nexus_chassis.principal import Principal


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

    def __init__(self, catalogues: Catalogues, rounds: Rounds) -> None:
        self._catalogues = catalogues
        self._rounds = rounds

    async def with_scopes(self, principal: Principal) -> list[dict[str, object]]:
        """Return each tool with the scopes that it needs."""
        catalogue = await self._catalogues.of(tenant_of(principal))
        return [{**tool.definition(), "scopes": sorted(tool.scopes)} for tool in catalogue]

    async def listing(self, principal: Principal) -> Encoded:
        """Return the tools that the principal may call, as the result of tools/list."""
        return (await self._catalogues.shown(tenant_of(principal))).listing(principal.scopes)

    async def param_headers(self, name: object, principal: Principal) -> Mapping[str, tuple[str, ...]]:
        """Return the arguments of a tool that clients repeat in headers; none where there is no such tool."""
        tool = await self._get(name, principal) if isinstance(name, str) else None
        return {} if tool is None else tool.param_headers

    async def call(
        self, name: str, arguments: Arguments, request: CallRequest, tasks: Tasks | None = None
    ) -> Result | InputRequired:
        """Run a tool. What goes wrong inside it becomes a result with `isError`, which the agent can read.

        Without `tasks` none is started.

        Raises:
            RpcError: There is no such tool, or the token lacks its scopes.
        """
        tool = await self._find(name, request.principal)
        if missing := tool.scopes - request.principal.scopes:
            CALLS_REFUSED.labels("scope").inc()
            raise InsufficientScopeError(tool.name, tool.scopes, missing)
        if faults := _faults(tool, arguments):
            CALLS_REFUSED.labels("arguments").inc()
            return _failed(f"The arguments of {name} are not valid: {faults}")
        if request.round_id is not None and not tool.read_only:
            await self._use_once(request.round_id)
        if tool.task != "forbidden":
            return await self._call_as_task(tool, arguments, request, tasks)
        return await self._run(tool, arguments, request)

    async def run(self, name: str, arguments: Arguments, request: Request) -> Result | InputRequired:
        """Run a tool on arguments that were checked."""
        return await self._run(await self._find(name, request.principal), arguments, request)

    async def is_read_only(self, name: str, principal: Principal) -> bool:
        """Return whether a tool changes nothing; raises RpcError where there is none."""
        return (await self._find(name, principal)).read_only

    async def _get(self, name: str, principal: Principal) -> Tool | None:
        """Return a tool. Those that are built in need no store, and no other tool can have their name."""
        if (builtin := self._catalogues.builtin.get(name)) is not None:
            return builtin
        try:
            return (await self._catalogues.of(tenant_of(principal))).tools.get(name)
        except ToolsAwayError:
            raise RpcError(OVERLOADED, "The registered tools cannot be read now. Try again later.") from None

    async def _find(self, name: str, principal: Principal) -> Tool:
        if (tool := await self._get(name, principal)) is not None:
            return tool
        known = [tool.name for tool in await self._catalogues.of(tenant_of(principal))]
        raise RpcError(INVALID_PARAMS, f"There is no tool {name!r:.200}; there are {', '.join(known[:100])}")

    async def _call_as_task(
        self, tool: Tool, arguments: Arguments, request: CallRequest, tasks: Tasks | None
    ) -> Result | InputRequired:
        if tasks is None or not has_tasks(request.capabilities):
            if tool.task == "required":
                raise MissingCapabilityError({"extensions": {TASKS: {}}})
            return await self._run(tool, arguments, request)
        if tool.begin is not None:
            return await _begin(tool.begin, arguments, request)
        if tool.prepare is not None and (needed := await tool.prepare(arguments, request)) is not None:
            return needed
        return await tasks.start(request.principal, tool.name, arguments, request.capabilities, request.responses)

    async def _run(self, tool: Tool, arguments: Arguments, request: Request) -> Result | InputRequired:
        """Run a tool, and measure it."""
        label = tool.name if self._catalogues.builtin.get(tool.name) is tool else REGISTERED
        outcome, began = "failed", time.perf_counter()
        try:
            result = await _run(tool, arguments, request)
            outcome = _outcome(result)
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            tool_seconds(label, outcome).observe(time.perf_counter() - began)
        return result

    async def _use_once(self, round_id: str) -> None:
        if not await self._rounds.use(round_id):
            raise RpcError(INVALID_PARAMS, "params.requestState was used already; send the request without it")


async def _begin(begin: Begin, arguments: Arguments, request: Request) -> Result:
    try:
        return await begin(arguments, request)
    except AgentFacingError as error:
        return _failed(str(error))


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


def _outcome(result: Result | InputRequired) -> str:
    if isinstance(result, InputRequired):
        return "input_required"
    return "error" if not isinstance(result, Encoded) and result.get("isError") else "success"


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
