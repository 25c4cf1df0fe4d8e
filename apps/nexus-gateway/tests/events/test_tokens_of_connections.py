"""How a connection is authenticated: by ticket, and by a new token while it is open; it ends with its token and session."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from conftest import AddUser, Mint, token_of
from redis.asyncio import Redis
from websocket_client import CHANNEL, PRODUCT, Client, client_of
from websockets.exceptions import InvalidStatus

from nexus_chassis.channels import publish
from nexus_gateway.events import connections, tickets
from nexus_gateway.oauth.keys.signing_key import SigningKey


async def get_ticket(http: aiohttp.ClientSession, gateway: str, headers: dict[str, str]) -> str:
    async with http.post(f"{gateway}/v1/ws/tickets", headers=headers) as response:
        body = await response.json()
        assert (response.status, response.headers["Cache-Control"]) == (201, "no-store")
    assert body == {"ticket": body["ticket"], "expires_in": 30}
    return str(body["ticket"])


async def refusal(gateway: str, query: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        async with client_of(gateway, headers or {}, query=query):
            pass
    return refused.value.response.status_code, bytes(refused.value.response.body).decode()


class TestTickets:
    async def test_a_ticket_opens_one_connection(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        ticket = await get_ticket(http, gateway, admin)
        async with client_of(gateway, {}, query=f"?ticket={ticket}") as client:
            assert (await client.ask(op="subscribe", channel=CHANNEL))["op"] == "subscribed"
        status, body = await refusal(gateway, f"?ticket={ticket}")

        assert status == 401
        assert '"type": "urn:nexus:problem:invalid-ticket"' in body

    async def test_a_ticket_has_the_rights_of_its_token(
        self, gateway: str, http: aiohttp.ClientSession, mint: Mint
    ) -> None:
        ticket = await get_ticket(http, gateway, mint("events:publish", lifetime=2))
        async with client_of(gateway, {}, query=f"?ticket={ticket}") as client:
            answers = [
                await client.ask(op="publish", channel="app:x", data=1),
                await client.ask(op="subscribe", channel=CHANNEL),
                await client.ask(op="subscribe", channel="user:alice"),
            ]

            assert [answer.get("status", answer["op"]) for answer in answers] == ["published", 403, "subscribed"]
            assert await client.close_code() == 4401

    async def test_a_ticket_is_of_no_use_once_the_session_has_ended(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        ticket = await get_ticket(http, gateway, admin)
        async with http.delete(f"{gateway}/v1/sessions/current", headers=admin):
            pass

        assert (await refusal(gateway, f"?ticket={ticket}"))[0] == 401

    async def test_a_ticket_expires(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tickets, "TICKET_SECONDS", 1)
        ticket = await get_ticket(http, gateway, admin)
        await asyncio.sleep(1.1)

        assert (await refusal(gateway, f"?ticket={ticket}"))[0] == 401

    async def test_redis_holds_neither_ticket_nor_token(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], redis: Redis
    ) -> None:
        ticket = await get_ticket(http, gateway, admin)
        (key,) = await redis.keys("gateway:ticket:*")
        value = await redis.get(key)

        assert ticket not in key + value
        assert token_of(admin) not in value
        assert 0 < await redis.ttl(key) <= 30

    @pytest.mark.parametrize(
        "query", ["?token={token}", "?access_token={token}", "?ticket=a&ticket=b", "?ticket=a&x=1"]
    )
    async def test_no_token_is_taken_from_an_address(self, gateway: str, admin: dict[str, str], query: str) -> None:
        status, body = await refusal(gateway, query.format(token=token_of(admin)), admin)

        assert status == 400
        assert '"type": "urn:nexus:problem:unknown-parameter"' in body


class TestNewTokens:
    async def test_a_connection_goes_on_with_a_new_token(self, gateway: str, mint: Mint, redis: Redis) -> None:
        async with client_of(gateway, mint("data:read", lifetime=2)) as client:
            await client.ask(op="subscribe", channel=CHANNEL)
            renewed = await client.ask(op="auth", token=token_of(mint("data:read", lifetime=600)))
            await asyncio.sleep(2.2)
            await publish(redis, PRODUCT, 1)

            assert renewed == {"op": "authenticated", "expires_at": renewed["expires_at"]}
            assert abs(renewed["expires_at"] - time.time() - 600) < 10
            assert (await client.receive())["data"] == 1

    async def test_a_new_token_may_also_end_earlier(self, gateway: str, mint: Mint) -> None:
        async with client_of(gateway, mint(lifetime=600)) as client:
            await client.ask(op="auth", token=token_of(mint(lifetime=2)))

            assert await client.close_code() == 4401

    async def test_the_scopes_of_a_new_token_count(self, gateway: str, mint: Mint, redis: Redis) -> None:
        async with client_of(gateway, mint("data:read", "events:publish")) as client:
            for channel in (CHANNEL, "app:news"):
                await client.ask(op="subscribe", channel=channel)
            await client.ask(op="auth", token=token_of(mint()))
            left = await client.receive()
            await publish(redis, PRODUCT, 1)
            refused = await client.ask(op="publish", channel="app:news", data=1)
            again = await client.ask(op="subscribe", channel=CHANNEL)

        assert left == {"op": "unsubscribed", "channel": CHANNEL}
        assert (refused["missing_scopes"], again["missing_scopes"]) == (["events:publish"], ["data:read"])

    @pytest.mark.parametrize("claims", [{"subject": "bob"}, {"tenant": "acme"}])
    async def test_a_new_token_is_of_the_same_subject_and_tenant(
        self, gateway: str, mint: Mint, claims: dict[str, Any]
    ) -> None:
        async with client_of(gateway, mint()) as client:
            assert await client.ask(op="auth", token=token_of(mint(**claims))) == {
                "op": "error",
                "type": "urn:nexus:problem:other-subject",
                "title": "The token is another user's",
                "status": 403,
                "detail": "The new token is of another user or tenant than the connection. Open another connection with it.",
            }
            assert (await client.ask(op="subscribe", channel="user:alice"))["op"] == "subscribed"

    async def test_a_bad_token_changes_nothing(self, client: Client) -> None:
        answers = [await client.ask(op="auth", token=token) for token in ("x", 7)]

        assert [(answer["op"], answer["status"]) for answer in answers] == [("error", 401), ("error", 400)]
        assert (await client.ask(op="subscribe", channel=CHANNEL))["op"] == "subscribed"

    async def test_a_token_of_an_ended_session_is_refused(
        self, gateway: str, http: aiohttp.ClientSession, add_user: AddUser, mint: Mint
    ) -> None:
        ended = await add_user("data:read")
        async with http.get(f"{gateway}/v1/me", headers=ended) as response:
            subject = (await response.json())["subject"]
        async with http.delete(f"{gateway}/v1/sessions/current", headers=ended):
            pass
        async with client_of(gateway, mint(subject=subject)) as client:
            assert (await client.ask(op="auth", token=token_of(ended)))["status"] == 401


async def test_a_principal_has_a_bounded_number_of_connections(
    gateway: str, mint: Mint, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    stream = f"{gateway}/v1/events?channel=app:x"
    async with client_of(gateway, mint()), http.get(stream, headers=mint()) as opened:
        status, body = await refusal(gateway, "", mint())
        async with http.get(stream, headers=mint()) as refused:
            problem = await refused.json(content_type=None)
        async with client_of(gateway, mint(subject="bob")) as other:
            assert await other.ask(op="ping") == {"op": "pong"}

    assert (opened.status, status, refused.status) == (200, 429, 429)
    assert '"type": "urn:nexus:problem:too-many-connections"' in body
    assert problem == {
        "type": "urn:nexus:problem:too-many-connections",
        "title": "Too many connections",
        "status": 429,
        "detail": "You have 2 connections for events open. Close one, or subscribe to more channels on one.",
    }
    async with client_of(gateway, mint()) as client:
        assert await client.ask(op="ping") == {"op": "pong"}


async def test_an_open_connection_ends_with_its_token(gateway: str, secret_files: dict[str, Path]) -> None:
    now = int(time.time())
    claims = {"iss": "http://localhost:8000", "aud": "nexus-gateway", "sub": "x", "client_id": "x", "jti": "x"}
    token = SigningKey.load(secret_files["NEXUS_SIGNING_KEY_FILE"]).sign(claims | {"iat": now, "exp": now + 2})
    async with client_of(gateway, {"Authorization": f"Bearer {token}"}) as client:
        assert await client.ask(op="ping") == {"op": "pong"}
        assert await client.close_code() == 4401


async def test_an_open_connection_ends_with_its_session(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    started = time.monotonic()
    async with client_of(gateway, admin) as client:
        assert await client.ask(op="ping") == {"op": "pong"}
        async with http.delete(f"{gateway}/v1/sessions/current", headers=admin):
            assert await client.close_code() == 4401
    assert time.monotonic() - started < 3
