import pytest
from mcp_clients import http_client

from nexus_testkit import Issuer


@pytest.mark.parametrize("path", ["", "/mcp"])
async def test_the_metadata_names_the_resource_and_who_issues_tokens(service: str, issuer: Issuer, path: str) -> None:
    async with http_client(service) as client:
        response = await client.get(f"/.well-known/oauth-protected-resource{path}")
        assert await response.json() == {
            "resource": "http://localhost:3000/mcp",
            "resource_name": "Nexus MCP server",
            "authorization_servers": [issuer.url],
            "scopes_supported": ["classify", "data:read", "data:write", "tools:call"],
            "bearer_methods_supported": ["header"],
        }
