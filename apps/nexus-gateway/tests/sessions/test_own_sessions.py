"""The sessions of a user, as they see and end them."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from conftest import AddUser
from redis.asyncio import Redis
from session_client import AGENT, NO_SESSION, SessionClient

from nexus_chassis.revocations import KEPT_SECONDS
from nexus_gateway.auth.session_gate import session_key
from nexus_gateway.oauth.keys.signing_key import SigningKey
from nexus_gateway.sessions import repository
from nexus_gateway.sessions.models import Session
from nexus_gateway.sessions.repository import SessionRepository, user_sessions_key

SESSION = Session(
    id="s",
    user="u",
    username="alice",
    tenant="default",
    client_id="nexus",
    scopes=frozenset({"b", "a"}),
    created=1_700_000_000,
    seen=1_700_000_000,
    expires=2_000_000_000,
    address="127.0.0.1",
    agent="tests",
)


@pytest.fixture
def client(http: aiohttp.ClientSession, gateway: str) -> SessionClient:
    return SessionClient(http, gateway)


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as connection:
        yield connection


def device(session: dict[str, Any], began: int, *, current: bool) -> dict[str, Any]:
    return {
        "session_id": session["session_id"],
        "username": "admin",
        "client_id": "nexus",
        "created_at": began,
        "last_seen_at": began,
        "expires_at": began + 1_209_600,
        "address": "127.0.0.1",
        "agent": AGENT,
        "current": current,
    }


async def ids(client: SessionClient, session: dict[str, Any]) -> list[str]:
    _, body = await client.call("GET", "/v1/sessions", session["access_token"])
    return [item["session_id"] for item in body["items"]]


async def test_a_user_sees_the_own_sessions_the_latest_first(client: SessionClient, add_user: AddUser) -> None:
    await add_user("data:read")
    first, second = await client.begin(), await client.begin()
    status, body = await client.call("GET", "/v1/sessions", first["access_token"])
    _, current = await client.call("GET", "/v1/sessions/current", first["access_token"])

    began = [item["created_at"] for item in body["items"]]
    assert abs(time.time() - began[0]) < 30
    assert (status, body) == (
        200,
        {"items": [device(second, began[0], current=False), device(first, began[1], current=True)]},
    )
    assert current == device(first, began[1], current=True)


async def test_a_user_ends_the_session_of_another_device(client: SessionClient) -> None:
    kept, lost = await client.begin(), await client.begin()
    path = f"/v1/sessions/{lost['session_id']}"

    assert await client.call("DELETE", path, kept["access_token"]) == (204, None)
    assert [await client.status_of(each["access_token"]) for each in (kept, lost)] == [200, 401]
    assert (await client.refresh(lost["refresh_token"]))[0] == 401
    assert await ids(client, kept) == [kept["session_id"]]
    assert await client.call("DELETE", path, kept["access_token"]) == (404, NO_SESSION)


async def test_a_user_ends_all_sessions_and_can_sign_in_again(client: SessionClient) -> None:
    ended = [await client.begin() for _ in range(3)]

    assert await client.call("DELETE", "/v1/sessions", ended[0]["access_token"]) == (204, None)
    assert [await client.status_of(each["access_token"]) for each in ended] == [401, 401, 401]
    assert [(await client.refresh(each["refresh_token"]))[0] for each in ended] == [401, 401, 401]
    again = await client.begin()
    assert await ids(client, again) == [again["session_id"]]


async def test_nobody_sees_or_ends_the_sessions_of_others(client: SessionClient, add_user: AddUser) -> None:
    other = (await add_user("admin"))["Authorization"].removeprefix("Bearer ")
    session = await client.begin()

    assert await client.call("DELETE", f"/v1/sessions/{session['session_id']}", other) == (404, NO_SESSION)
    assert session["session_id"] not in await ids(client, {"access_token": other})
    assert await client.status_of(session["access_token"]) == 200


def token_of(signing_key: SigningKey, **claims: object) -> str:
    now = int(time.time())
    given = {"iss": "http://localhost:8000", "aud": "nexus-gateway", "sub": str(uuid4()), "jti": "x", "iat": now}
    return signing_key.sign({**given, "exp": now + 60, "client_id": "mcp-server", **claims})


async def test_a_client_that_acts_for_a_user_does_not_see_or_end_the_users_sessions(
    client: SessionClient, secret_files: dict[str, Any]
) -> None:
    session = await client.begin()
    _, me = await client.call("GET", "/v1/me", session["access_token"])
    key = SigningKey.load(secret_files["NEXUS_SIGNING_KEY_FILE"])
    claims = {"sub": me["subject"], "sid": session["session_id"]}
    tokens = [token_of(key, **claims), token_of(key, **claims, client_id="nexus", act={"sub": "mcp-server"})]
    calls = [("GET", "/v1/sessions"), ("DELETE", "/v1/sessions"), ("DELETE", f"/v1/sessions/{session['session_id']}")]
    answers = [await client.call(*call, token) for token in tokens for call in calls]

    assert [status for status, _ in answers] == [403] * 6
    assert answers[0][1] == {
        "type": "urn:nexus:problem:first-party-only",
        "title": "Only the user may do this",
        "status": 403,
        "detail": "This token was issued to a client that acts for the user. Sign in at POST /v1/sessions.",
    }
    assert await client.status_of(session["access_token"]) == 200


async def test_the_token_of_a_service_has_no_sessions(client: SessionClient, secret_files: dict[str, Any]) -> None:
    token = token_of(SigningKey.load(secret_files["NEXUS_SIGNING_KEY_FILE"]))
    calls = [("GET", "/v1/sessions"), ("GET", "/v1/sessions/current"), ("DELETE", "/v1/sessions/current")]

    assert [await client.call(*call, token) for call in calls] == [(404, NO_SESSION)] * 3


async def test_what_a_session_is_comes_back_from_the_store(redis: Redis) -> None:
    sessions = SessionRepository(redis)
    unlimited, nothing = replace(SESSION, id="t", scopes=None), replace(SESSION, id="u", scopes=frozenset())
    for each in (SESSION, unlimited, nothing):
        await sessions.create(each, "key", "token")

    assert [await sessions.find(each.id) for each in (SESSION, unlimited, nothing)] == [SESSION, unlimited, nothing]
    assert {each.id for each in await sessions.of_user("u")} == {"s", "t", "u"}


async def test_a_user_has_a_hundred_sessions_at_most_and_the_oldest_ends(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "MAX_SESSIONS", 3)
    sessions = SessionRepository(redis)
    for name in "abcde":
        await sessions.create(replace(SESSION, id=name), "key", "token")

    assert [each.id for each in await sessions.of_user("u")] == ["e", "d", "c"]
    assert [await redis.exists(session_key(name)) for name in "abcde"] == [0, 0, 1, 1, 1]
    assert await redis.zcard(user_sessions_key("u")) == 3
    assert await redis.xlen("gateway:revocations") == 2


async def test_everything_that_is_stored_of_a_session_has_an_end(redis: Redis) -> None:
    sessions = SessionRepository(redis)
    await sessions.create(SESSION, "key", "token")
    await sessions.raise_epoch("u")
    keys = [key async for key in redis.scan_iter("gateway:*") if key != "gateway:revocations"]

    assert sorted(keys) == ["gateway:session:s", "gateway:user:u:epoch", "gateway:user:u:sessions"]
    assert all([0 < await redis.ttl(key) <= SESSION.expires for key in keys])


async def test_the_epoch_of_a_user_is_kept_for_longer_than_processes_know_of_it(redis: Redis) -> None:
    await SessionRepository(redis).raise_epoch("u")

    assert await redis.ttl("gateway:user:u:epoch") > 2 * KEPT_SECONDS  # a new token would be refused otherwise


async def test_the_epoch_of_a_user_rises_also_above_one_that_was_forgotten(redis: Redis) -> None:
    sessions = SessionRepository(redis)
    await sessions.raise_epoch("u")
    first = await sessions.epoch("u")
    await sessions.raise_epoch("u")
    second = await sessions.epoch("u")
    await redis.delete("gateway:user:u:epoch")
    await asyncio.sleep(0.1)  # it is forgotten after 31 minutes at the earliest
    await sessions.raise_epoch("u")

    assert first < second < await sessions.epoch("u") <= time.time() * 1000 + 1000


async def test_sessions_that_begin_while_all_are_ended_are_ended_or_last_but_nothing_between(redis: Redis) -> None:
    sessions = SessionRepository(redis)
    epochs = {name: await sessions.create(replace(SESSION, id=name), "key", "token") for name in "abc"}
    assert await sessions.end_all("u") == 3
    epochs["d"] = await sessions.create(replace(SESSION, id="d"), "key", "token")

    assert [each.id for each in await sessions.of_user("u")] == ["d"]
    assert epochs["d"] == await sessions.epoch("u") > epochs["a"]
    assert await sessions.end_all("u") == 1
