"""Protected resource metadata (RFC 9728): which resource this is, and who gives tokens for it."""

from typing import Any

from mcp_server.settings import Settings
from nexus_chassis.problems import Problem

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def resource_metadata(settings: Settings, scopes: list[str]) -> dict[str, Any]:
    """Make the metadata document (RFC 9728 section 2)."""
    return {
        "resource": f"{settings.public_url}/mcp",
        "resource_name": "Nexus MCP server",
        "authorization_servers": [settings.issuer],
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
    }


def point_to_metadata(problem: Problem, settings: Settings) -> Problem:
    """Add the address of the metadata to a problem's challenge (RFC 9728 section 5.1), if it has one."""
    if challenge := problem.headers.get("WWW-Authenticate"):
        parameter = f'resource_metadata="{settings.public_url}{WELL_KNOWN}/mcp"'
        problem.headers["WWW-Authenticate"] = f"{challenge}{',' if '=' in challenge else ''} {parameter}"
    return problem
