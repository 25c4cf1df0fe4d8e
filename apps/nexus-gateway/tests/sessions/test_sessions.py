from typing import Any

import aiohttp
import pytest
from conftest import PASSWORD, AddUser, sign_in

from nexus_gateway.users import passwords

WRONG = {
    "type": "urn:nexus:problem:wrong-credentials",
    "title": "Sign-in failed",
    "status": 401,
    "detail": "No user has this name and password. Check the spelling of both.",
}
JSON = {"Content-Type": "application/json"}
ENDED = {
    "type": "urn:nexus:problem:unauthorized",
    "title": "An access token is needed",
    "status": 401,
    "detail": "The access token is refused: its session was ended. Get a new one from the gateway.",
}
TOO_LARGE = {
    "type": "urn:nexus:problem:body-too-large",
    "title": "The request body is too large",
    "status": 413,
    "detail": "At most 65536 bytes are accepted here. Send the content in parts.",
    "limit": 65536,
}


async def test_the_administrator_signs_in_and_has_every_scope(session: dict[str, Any]) -> None:
    scopes = set(session["scope"].split())
    assert session == {
        "access_token": session["access_token"],
        "token_type": "Bearer",
        "expires_in": 600,
        "refresh_token": session["refresh_token"],
        "scope": " ".join(sorted(scopes)),
        "session_id": session["session_id"],
    }
    assert scopes >= {"admin", "classify", "data:admin", "data:read", "data:write", "tools:call", "workflows:deploy"}


@pytest.mark.parametrize(("username", "password"), [("admin", "guess"), ("nobody", PASSWORD), ("x" * 63, "y" * 1024)])
async def test_a_wrong_name_and_a_wrong_password_are_refused_alike(
    gateway: str, http: aiohttp.ClientSession, username: str, password: str
) -> None:
    assert await sign_in(http, gateway, username, password) == (401, WRONG)


async def test_a_body_has_a_limit_before_anyone_signed_in(gateway: str, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{gateway}/v1/sessions", data=bytes(1_000_000), headers=JSON) as response:
        assert response.content_type == "application/problem+json"
        assert await response.json(content_type=None) == TOO_LARGE


async def test_a_name_with_nul_is_refused(gateway: str, http: aiohttp.ClientSession) -> None:
    status, body = await sign_in(http, gateway, "ad\x00min", PASSWORD)

    assert (status, body["errors"][0]["pointer"]) == (422, "/body/username")


async def test_the_token_tells_who_the_caller_is(
    gateway: str, http: aiohttp.ClientSession, session: dict[str, Any], admin: dict[str, str]
) -> None:
    async with http.get(f"{gateway}/v1/me", headers=admin) as response:
        me = await response.json()
    async with http.get(f"{gateway}/v1/sessions/current", headers=admin) as response:
        current = await response.json()

    assert me == {
        "subject": me["subject"],
        "username": "admin",
        "tenant": "default",
        "roles": ["admin"],
        "client_id": "nexus",
        "scopes": session["scope"].split(),
        "session_id": session["session_id"],
        "expires_at": current["created_at"] + 600,
    }
    assert (current["session_id"], current["username"]) == (session["session_id"], "admin")


async def test_after_signing_out_the_token_is_refused(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    async with http.delete(f"{gateway}/v1/sessions/current", headers=admin) as response:
        assert response.status == 204

    for path in ("/v1/me", "/v1/data/echo/x", "/v1/sessions/current"):
        async with http.get(f"{gateway}{path}", headers=admin) as response:
            assert (response.status, await response.json(content_type=None)) == (401, ENDED)


async def test_other_sessions_last_when_one_ends(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], add_user: AddUser
) -> None:
    other = await add_user("data:read")
    async with http.delete(f"{gateway}/v1/sessions/current", headers=admin):
        pass

    async with http.get(f"{gateway}/v1/me", headers=other) as response:
        assert (await response.json())["scopes"] == ["data:read"]


async def test_a_sign_in_that_finds_the_queue_full_is_refused_and_not_counted_as_a_failure(
    gateway: str, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", -2)
    refused = []
    for _ in range(12):  # more than one address may fail
        async with http.post(f"{gateway}/v1/sessions", json={"username": "admin", "password": PASSWORD}) as response:
            refused.append((response.status, response.headers["Retry-After"]))
            body = await response.json(content_type=None)
    monkeypatch.undo()

    assert refused == [(503, "1")] * 12
    assert body == {
        "type": "urn:nexus:problem:overloaded",
        "title": "The gateway is overloaded",
        "status": 503,
        "detail": "Too many sign-ins are checked at once. Try again in 1 s.",
    }
    assert (await sign_in(http, gateway, "admin", PASSWORD))[0] == 201
