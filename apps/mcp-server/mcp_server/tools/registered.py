"""Makes tools of what users have registered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mcp_server.tools.arguments import UnusableCallError, check_call, make_request
from mcp_server.tools.definitions import HttpCall, ToolCredentials, ToolDefinition, WorkflowCall
from mcp_server.tools.errors import InvalidToolError, ToolRefusedError
from mcp_server.tools.registry import Arguments, Backend, Run, Tool
from mcp_server.tools.request import Request
from mcp_server.tools.schemas_check import UnacceptableSchemaError, check_registered_schema
from mcp_server.upstream.hosts import HostRefusedError, Origin
from mcp_server.upstream.rate_limits import CallLimiter
from mcp_server.upstream.tool_http import Credentials, Target, ToolHttp
from nexus_chassis.principal import Principal

RESULT = "result"
"""The member of structured content that an answer other than an object becomes."""


class Workflows(Protocol):
    """Runs deployed workflows."""

    def backend(self, definition: ToolDefinition, call: WorkflowCall) -> Backend:
        """Return what runs a workflow with the arguments of a tool."""

    async def refusal(self, principal: Principal, call: WorkflowCall) -> str | None:
        """Return why a workflow cannot be run, if that is so."""


@dataclass(frozen=True, slots=True)
class ToolMaker:
    """Makes them."""

    http: ToolHttp
    limiter: CallLimiter
    workflows: Workflows

    def check(self, tenant: str, definition: ToolDefinition) -> None:
        """Raise ToolRefusedError for a definition that cannot become a tool."""
        try:
            check_registered_schema(definition.input_schema)
            if definition.output_schema is not None:
                check_registered_schema(definition.output_schema)
            if definition.http is not None:
                check_call(definition.http, definition.input_schema)
                _check_server(definition.http)
                self.http.check(_target(tenant, definition, definition.http))
            self.make(tenant, definition).compile()
        except (UnacceptableSchemaError, UnusableCallError, HostRefusedError) as error:
            raise ToolRefusedError(definition.name, str(error)) from None
        except InvalidToolError as error:
            raise ToolRefusedError(definition.name, error.reason) from None

    def make(self, tenant: str, definition: ToolDefinition) -> Tool:
        """Return the tool. Its validators are compiled when they are needed first."""
        hints = definition.annotations.model_dump(by_alias=True, exclude_unset=True)
        backend = self._backend(tenant, definition)
        return Tool(
            name=definition.name,
            title=definition.title or definition.name,
            description=definition.description,
            input_schema=definition.input_schema,
            output_schema=definition.output_schema,
            scopes=frozenset(definition.scopes),
            run=self._counted(tenant, definition, backend.run),
            task="forbidden" if backend.begin is None else "optional",
            begin=None if backend.begin is None else self._counted(tenant, definition, backend.begin),
            read_only=definition.annotations.read_only,
            annotations={"openWorldHint": definition.annotations.open_world, **hints},
        )

    def _counted(self, tenant: str, definition: ToolDefinition, run: Run) -> Run:
        name, rate_class, limiter = definition.name, definition.rate_class, self.limiter

        async def counted(arguments: Arguments, request: Request) -> Any:  # noqa: ANN401  what the tool returns
            await limiter.admit(rate_class, tenant, name, request.principal.subject)
            return await run(arguments, request)

        return counted

    def _backend(self, tenant: str, definition: ToolDefinition) -> Backend:
        if definition.workflow is not None:
            return self.workflows.backend(definition, definition.workflow)
        if definition.http is None:
            raise ToolRefusedError(definition.name, "there is nothing behind it")
        return Backend(self._http_runner(definition.http, _target(tenant, definition, definition.http)))

    def _http_runner(self, call: HttpCall, target: Target) -> Run:
        http = self.http

        async def run(arguments: Arguments, request: Request) -> Mapping[str, Any]:
            content = await http.send(target, make_request(call, arguments), request)
            if call.answer == "nothing":
                return {}
            return content if call.answer == "object" else {RESULT: content}

        return run


def _check_server(call: HttpCall) -> None:
    """Refuse a start of an address whose own path is not a plain one."""
    if call.server is None:
        return
    origin = Origin.parse(call.server)
    path = call.server.partition("://")[2].partition("/")[2]
    if call.server.endswith("/") or (path and not is_plain_server_path(path)):
        raise HostRefusedError(
            f"the server {call.server!r:.200} must be {origin} with plain segments, and no / at its end"
        )


def is_plain_server_path(path: str) -> bool:
    """Whether what follows the host in a server's address has only unreserved characters in its segments."""
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")
    segments = path.split("/")
    return set(path) <= allowed and all(segment not in {"", ".", ".."} for segment in segments)


def _target(tenant: str, definition: ToolDefinition, call: HttpCall) -> Target:
    credentials = call.credentials
    return Target(
        tenant=tenant,
        method=call.method,
        server=call.server or "",
        service=call.service,
        scopes=frozenset(definition.scopes),
        credentials=None if credentials is None else _credentials(credentials),
        timeout_seconds=definition.timeout_seconds,
        max_age_seconds=call.max_age_seconds,
        expected=call.answer,
    )


def _credentials(credentials: ToolCredentials) -> Credentials:
    return Credentials(credentials.secret, credentials.header, credentials.scheme)
