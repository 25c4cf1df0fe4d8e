"""What the application holds while it runs. Made by app.py alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

if TYPE_CHECKING:
    from mcp_server.discovery.service import ResourceMetadata
    from mcp_server.dispatch.router import MethodRouter
    from mcp_server.tools.service import ToolService
    from mcp_server.transports.auth import Authenticator
    from nexus_chassis.revocations import Revocations


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The services of the application."""

    authenticator: "Authenticator"
    metadata: "ResourceMetadata"
    methods: "MethodRouter"
    revocations: "Revocations"
    tools: "ToolService"


async def get_context(connection: HTTPConnection) -> Context:
    """Return the context of the application that serves this connection."""
    return cast("Context", connection.app.state.context)


ContextOfApp = Annotated[Context, Depends(get_context)]
