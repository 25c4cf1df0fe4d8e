import aiohttp
import pytest
from conftest import serving_gateway
from oauth_requests import EXCHANGE, ISSUER

METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/oauth/authorize",
    "token_endpoint": f"{ISSUER}/oauth/token",
    "revocation_endpoint": f"{ISSUER}/oauth/revoke",
    "introspection_endpoint": f"{ISSUER}/oauth/introspect",
    "jwks_uri": f"{ISSUER}/.well-known/jwks.json",
    "scopes_supported": [
        *(
            "admin",
            "classify",
            "data:admin",
            "data:read",
            "data:write",
            "events:publish",
            "tools:call",
            "workflows:deploy",
        ),
    ],
    "response_types_supported": ["code"],
    "response_modes_supported": ["query"],
    "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", EXCHANGE],
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
    "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
    "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    "code_challenge_methods_supported": ["S256"],
    "authorization_response_iss_parameter_supported": True,
    "client_id_metadata_document_supported": True,
}


@pytest.mark.parametrize("path", ["", "/mcp", "/v1/agents/mcp"])
async def test_it_is_where_mcp_clients_look_for_it(gateway: str, http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(f"{gateway}/.well-known/oauth-authorization-server{path}") as response:
        assert (response.status, response.headers["Cache-Control"], await response.json()) == (
            200,
            "public, max-age=300",
            METADATA,
        )


async def test_it_says_how_strangers_become_clients(
    environment: pytest.MonkeyPatch, http: aiohttp.ClientSession
) -> None:
    environment.setenv("NEXUS_CLIENT_REGISTRATION", "on")
    environment.setenv("NEXUS_CLIENT_DOCUMENTS", "off")
    async with (
        serving_gateway() as gateway,
        http.get(f"{gateway}/.well-known/oauth-authorization-server") as response,
    ):
        assert await response.json() == METADATA | {
            "registration_endpoint": f"{ISSUER}/oauth/register",
            "client_id_metadata_document_supported": False,
        }


async def test_there_is_no_openid_provider(gateway: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{gateway}/.well-known/openid-configuration") as response:
        assert response.status == 404
