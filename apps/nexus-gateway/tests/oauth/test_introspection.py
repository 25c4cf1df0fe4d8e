from typing import Any

import aiohttp
import pytest
from conftest import CLIENT_SECRET
from oauth_requests import ISSUER, add_client, basic, claims, post, refusal


async def token_for(
    gateway: str, http: aiohttp.ClientSession, headers: dict[str, str], audience: str = "mcp-server"
) -> str:
    _, body = await post(http, f"{gateway}/v1/tokens", headers=headers, json={"audience": audience})
    return str(body["access_token"])


@pytest.fixture
def client() -> dict[str, str]:
    return basic("mcp-server", CLIENT_SECRET)


async def test_a_service_looks_into_tokens_that_are_meant_for_it(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], client: dict[str, str]
) -> None:
    token = await token_for(gateway, http, admin)
    said = claims(token)
    del said["iat"]

    answer = await post(http, f"{gateway}/oauth/introspect", headers=client, data={"token": token})

    assert answer == (200, {"active": True, "token_type": "Bearer", "iss": ISSUER, **said})


async def test_others_are_not_active_to_it(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], client: dict[str, str], session: dict[str, Any]
) -> None:
    other = await token_for(gateway, http, admin, "dataflow-service")
    for token in (other, session["access_token"], "guess", "a.b.c"):
        answer = await post(http, f"{gateway}/oauth/introspect", headers=client, data={"token": token})
        assert answer == (200, {"active": False})


async def test_a_token_of_an_ended_session_is_not_active(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], client: dict[str, str]
) -> None:
    token = await token_for(gateway, http, admin)
    async with http.delete(f"{gateway}/v1/sessions/current", headers=admin):
        pass

    answer = await post(http, f"{gateway}/oauth/introspect", headers=client, data={"token": token})
    assert answer == (200, {"active": False})


async def test_clients_without_a_secret_look_into_none(gateway: str, http: aiohttp.ClientSession) -> None:
    form = {"client_id": "mcp-client", "token": "x"}

    assert await post(http, f"{gateway}/oauth/introspect", data=form) == refusal(
        "invalid_client", "This needs a client with a secret. Send its id and secret.", 401
    )


async def test_a_token_of_a_machine_cannot_be_revoked(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    added = await add_client(http, gateway, admin)
    _, body = await post(
        http, f"{gateway}/oauth/token", headers=added.headers, data={"grant_type": "client_credentials"}
    )

    answer = await post(http, f"{gateway}/oauth/revoke", headers=added.headers, data={"token": body["access_token"]})
    assert answer == refusal(
        "unsupported_token_type", "The token belongs to no session of the client. It ends by itself."
    )


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/introspect", "/oauth/revoke"])
async def test_a_client_authenticates_in_one_way(
    gateway: str, http: aiohttp.ClientSession, client: dict[str, str], path: str
) -> None:
    two_ways = refusal("invalid_request", "The client authenticates in two ways. Use one.")
    for form in ({"client_secret": "x"}, {"client_id": "other"}):
        assert await post(http, f"{gateway}{path}", headers=client, data=form) == two_ways
    refused = refusal("invalid_client", "No client has this id and secret. See the client's secret file.", 401)
    for form in ({"client_id": "mcp-client", "client_secret": "x"}, {"client_id": "mcp-server"}):
        assert await post(http, f"{gateway}{path}", data=form) == refused
