from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from conftest import serving_gateway
from oauth_requests import post, refusal

METADATA = {"redirect_uris": ["http://127.0.0.1:33418/"], "token_endpoint_auth_method": "none", "client_name": "Editor"}
OPEN_SCOPES = "classify data:read data:write tools:call workflows:deploy"
DAY = 86400


@pytest_asyncio.fixture
async def open_gateway(environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A gateway at which clients may register themselves."""
    environment.setenv("NEXUS_CLIENT_REGISTRATION", "on")
    async with serving_gateway() as url:
        yield url


class TestRegistration:
    async def test_it_is_off_unless_enabled(self, gateway: str, http: aiohttp.ClientSession) -> None:
        assert await post(http, f"{gateway}/oauth/register", json=METADATA) == (
            403,
            {
                "type": "urn:nexus:problem:registration-off",
                "title": "Clients cannot register themselves here",
                "status": 403,
                "detail": "Use the client mcp-client, a client ID metadata document, or a client that an administrator has added.",
            },
        )

    async def test_a_public_client_has_no_secret(self, open_gateway: str, http: aiohttp.ClientSession) -> None:
        status, body = await post(http, f"{open_gateway}/oauth/register", json=METADATA)

        assert (status, body) == (
            201,
            {
                **METADATA,
                "client_id": body["client_id"],
                "client_id_issued_at": body["client_id_issued_at"],
                "grant_types": ["authorization_code"],
                "response_types": ["code"],
                "scope": OPEN_SCOPES,
            },
        )

    async def test_a_confidential_one_has_a_secret_that_expires(
        self, open_gateway: str, http: aiohttp.ClientSession
    ) -> None:
        wanted = METADATA | {"token_endpoint_auth_method": "client_secret_post"}
        _, body = await post(http, f"{open_gateway}/oauth/register", json=wanted)

        lifetime = body["client_secret_expires_at"] - body["client_id_issued_at"]
        assert (len(body["client_secret"]), round(lifetime / DAY)) == (43, 30)

    async def test_it_never_has_what_administrators_may(self, open_gateway: str, http: aiohttp.ClientSession) -> None:
        wanted = METADATA | {"scope": "admin data:admin data:read openid"}
        _, body = await post(http, f"{open_gateway}/oauth/register", json=wanted)

        assert body["scope"] == "data:read"

    async def test_grants_for_machines_are_left_out(self, open_gateway: str, http: aiohttp.ClientSession) -> None:
        grants = ["authorization_code", "refresh_token", "client_credentials", "implicit"]
        _, body = await post(http, f"{open_gateway}/oauth/register", json=METADATA | {"grant_types": grants})

        assert body["grant_types"] == ["authorization_code", "refresh_token"]

    @pytest.mark.parametrize(
        ("change", "error", "description"),
        [
            (
                {"redirect_uris": ["https://app.example/cb", "javascript:alert(1)"]},
                "invalid_redirect_uri",
                (
                    "Found 'javascript:alert(1)'. Use an https address, an http address of 127.0.0.1, [::1] or localhost, or a "
                    "scheme of the application's own, such as com.example.app:/callback; at most 1,000 characters, "
                    "without a fragment."
                ),
            ),
            (
                {"redirect_uris": []},
                "invalid_client_metadata",
                "The metadata is not valid. redirect_uris: List should have at least 1 item after validation, not 0.",
            ),
            (
                {"token_endpoint_auth_method": "private_key_jwt"},
                "invalid_client_metadata",
                (
                    "The metadata is not valid. token_endpoint_auth_method: Input should be 'none', 'client_secret_basic' or "
                    "'client_secret_post'."
                ),
            ),
            (
                {"grant_types": ["client_credentials"]},
                "invalid_client_metadata",
                "grant_types must include authorization_code.",
            ),
            (
                {"client_name": "a\u202eb"},
                "invalid_client_metadata",
                "client_name has characters that cannot be printed.",
            ),
        ],
    )
    async def test_what_cannot_be_used_is_explained(
        self, open_gateway: str, http: aiohttp.ClientSession, change: dict[str, Any], error: str, description: str
    ) -> None:
        answer = await post(http, f"{open_gateway}/oauth/register", json=METADATA | change)

        assert answer == refusal(error, description)

    async def test_there_are_only_so_many_and_they_expire(
        self, open_gateway: str, http: aiohttp.ClientSession, postgres_url: str
    ) -> None:
        connection = await asyncpg.connect(postgres_url)
        await connection.execute("""
            INSERT INTO clients (id, name, kind, redirect_uris, grant_types, scopes, audiences, expires_at)
            SELECT 'r-' || n, 'Many', 'public', '{}', '{}', '{}', '{}', now() + interval '1 day'
            FROM generate_series(1, 1000) AS n
        """)

        status, body = await post(http, f"{open_gateway}/oauth/register", json=METADATA)
        assert (status, body["type"]) == (503, "urn:nexus:problem:registrations-full")

        await connection.execute("UPDATE clients SET expires_at = now() WHERE id = 'r-1'")
        assert (await post(http, f"{open_gateway}/oauth/register", json=METADATA))[0] == 201
        assert await connection.fetchval("SELECT count(*) FROM clients") == 1000
        await connection.close()
