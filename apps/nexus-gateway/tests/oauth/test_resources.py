import pytest

from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.resources import Resources

RESOURCES = Resources(
    {
        "http://localhost:8000": "nexus-gateway",
        "http://localhost:3000": "mcp-server",
        "https://nexus.example/mcp": "mcp",
    }
)


@pytest.mark.parametrize(
    ("resource", "audience"),
    [
        ("http://localhost:3000", "mcp-server"),
        ("http://localhost:3000/", "mcp-server"),
        ("http://localhost:3000/mcp", "mcp-server"),
        ("HTTP://LOCALHOST:3000/mcp/", "mcp-server"),
        ("http://localhost:8000/v1/agents/mcp", "nexus-gateway"),
        ("https://nexus.example:443/mcp", "mcp"),
        ("https://nexus.example/mcp/tools", "mcp"),
    ],
)
def test_an_address_and_what_is_below_it_stand_for_a_service(resource: str, audience: str) -> None:
    assert RESOURCES.audience(resource) == audience


@pytest.mark.parametrize(
    "resource",
    [
        "mcp-server",
        "",
        "localhost:3000",
        "https://localhost:3000",
        "http://localhost:3001",
        "http://localhost",
        "http://localhost.evil.example:3000",
        "http://user@localhost:3000",
        "http://localhost:3000#fragment",
        "http://localhost:3000?query",
        "http://localhost:3000/%2e%2e/",
        "http://localhost:3000//mcp",
        "http://localhost:99999",
        "https://nexus.example",
        "https://nexus.example/",
        "https://nexus.example/mcpx",
        "https://nexus.example/other/../mcp",
        "urn:nexus:mcp-server",
        "http://[::1",
    ],
)
def test_every_other_is_unknown(resource: str) -> None:
    with pytest.raises(OAuthError) as refused:
        RESOURCES.audience(resource)

    known = "http://localhost:3000, http://localhost:8000, https://nexus.example/mcp"
    assert (refused.value.error, refused.value.description) == (
        "invalid_target",
        f"There is no resource {resource!r}. Known are {known}.",
    )
