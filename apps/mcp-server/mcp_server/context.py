"""What the application holds while it runs. Made by app.py alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

if TYPE_CHECKING:
    from mcp_server.discovery.service import ResourceMetadata
    from mcp_server.dispatch.elsewhere import Elsewhere
    from mcp_server.dispatch.in_flight import InFlight
    from mcp_server.dispatch.questions import Questions
    from mcp_server.dispatch.router import MethodRouter
    from mcp_server.dispatch.streams import Streams
    from mcp_server.notices.service import Notices
    from mcp_server.sessions.service import SessionService
    from mcp_server.tools.management import ToolManagement
    from mcp_server.tools.service import ToolService
    from mcp_server.transports.auth import Authenticator
    from mcp_server.workflows.run_service import RunService
    from mcp_server.workflows.service import WorkflowService
    from nexus_chassis.revocations import Revocations


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The services of the application."""

    authenticator: "Authenticator"
    elsewhere: "Elsewhere"
    in_flight: "InFlight"
    metadata: "ResourceMetadata"
    methods: "MethodRouter"
    notices: "Notices"
    questions: "Questions"
    revocations: "Revocations"
    runs: "RunService"
    sessions: "SessionService"
    streams: "Streams"
    tool_management: "ToolManagement"
    tools: "ToolService"
    workflows: "WorkflowService"


async def get_context(connection: HTTPConnection) -> Context:
    """Return the context of the application that serves this connection."""
    return cast("Context", connection.app.state.context)


ContextOfApp = Annotated[Context, Depends(get_context)]
