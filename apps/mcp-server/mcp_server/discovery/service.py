"""Protected resource metadata (RFC 9728): which resource this is, and who issues tokens for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

WELL_KNOWN = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True, slots=True)
class ResourceMetadata:
    """The metadata of the resource `public_url`/mcp, whose tokens `issuer` issues."""

    public_url: str
    issuer: str
    scopes: Iterable[str]

    @property
    def address(self) -> str:
        """Where clients find the metadata."""
        return f"{self.public_url}{WELL_KNOWN}/mcp"

    def document(self) -> dict[str, Any]:
        """Return the metadata document (RFC 9728 section 2)."""
        return {
            "resource": f"{self.public_url}/mcp",
            "resource_name": "Nexus MCP server",
            "authorization_servers": [self.issuer],
            "scopes_supported": sorted(self.scopes),
            "bearer_methods_supported": ["header"],
        }
