"""Who may come in, by either way: allowed origins, and tokens for this service with the scope tools:call."""

from starlette.requests import HTTPConnection

from mcp_server.discovery.service import point_to_metadata
from mcp_server.settings import Settings
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import Principal, authenticate, forbidden

SCOPE = "tools:call"


async def admit(connection: HTTPConnection) -> Principal:
    """Tell who is calling.

    Raises:
        Problem: 403 for a web page of another origin or a token without the scope, 401 without a token for this service.
    """
    settings: Settings = connection.app.state.settings
    _check_origin(connection, settings)
    try:
        principal = await authenticate(connection)
        if SCOPE not in principal.scopes:
            raise forbidden([SCOPE])
    except Problem as problem:
        raise point_to_metadata(problem, settings) from None
    return principal


def _check_origin(connection: HTTPConnection, settings: Settings) -> None:
    """Refuse web pages that nobody allowed, so that none can reach this server through its visitor's browser."""
    for origin in connection.headers.getlist("origin"):
        if origin not in settings.allowed_origins.split():
            detail = f"Web pages of {origin} may not connect. Add it to NEXUS_ALLOWED_ORIGINS if they should."
            raise Problem(403, "origin-not-allowed", "This origin may not connect", detail)
