"""Sessions that ended, as every other service learns of them."""

import hashlib
from typing import Any

import aiohttp
import pytest
from other_service import followed, until_refused


async def end(http: aiohttp.ClientSession, gateway: str, headers: dict[str, str]) -> None:
    async with http.delete(f"{gateway}/v1/sessions/current", headers=headers) as response:
        assert response.status == 204


async def test_an_ended_session_is_published_as_its_hash(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], session: dict[str, Any]
) -> None:
    async with http.get(f"{gateway}/oauth/revocations") as response:
        before = await response.json()
    await end(http, gateway, admin)
    async with http.get(f"{gateway}/oauth/revocations", params={"after": before["cursor"]}) as response:
        after = await response.json()

    assert before == {"sessions": [], "subjects": {}, "keys": [], "cursor": "0-0"}
    assert after == {
        "sessions": [hashlib.sha256(session["session_id"].encode()).hexdigest()],
        "subjects": {},
        "keys": [],
        "cursor": after["cursor"],
    }


async def test_a_token_for_another_service_is_refused_there_once_its_session_ended(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    async with http.post(f"{gateway}/v1/tokens", headers=admin, json={"audience": "mcp-server"}) as response:
        token = (await response.json())["access_token"]
    async with followed(gateway, "mcp-server") as verifier:
        assert (await verifier.verify(token)).scopes >= {"tools:call"}
        await end(http, gateway, admin)
        assert "its session was ended" in await until_refused(verifier, token)


@pytest.mark.parametrize("cursor", ["", "x", "0", "1-1-1", "-1-0", "99999999999999999999-0"])
async def test_what_is_no_cursor_is_refused(gateway: str, http: aiohttp.ClientSession, cursor: str) -> None:
    async with http.get(f"{gateway}/oauth/revocations", params={"after": cursor}) as response:
        assert response.status == 422
