"""Going on in a session by refresh tokens."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from conftest import AddUser
from redis.asyncio import Redis
from session_client import INVALID_REFRESH_TOKEN, SessionClient

from nexus_chassis.errors import DatabaseUnavailableError
from nexus_gateway.auth.session_gate import session_key
from nexus_gateway.sessions import repository
from nexus_gateway.sessions.refresh_tokens import first_token, new_key
from nexus_gateway.sessions.repository import SessionRepository
from nexus_gateway.users.repository import UserRepository

REFUSED = (401, INVALID_REFRESH_TOKEN)


@pytest.fixture
def client(http: aiohttp.ClientSession, gateway: str) -> SessionClient:
    return SessionClient(http, gateway)


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as connection:
        yield connection


@pytest_asyncio.fixture
async def database(postgres_url: str, gateway: str) -> AsyncIterator[asyncpg.Connection]:  # noqa: ARG001  it migrates
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def test_a_refresh_returns_new_tokens_of_the_same_session(client: SessionClient) -> None:
    begun = await client.begin()
    status, refreshed = await client.refresh(begun["refresh_token"])

    assert (status, refreshed) == (
        200,
        {
            "access_token": refreshed["access_token"],
            "token_type": "Bearer",
            "expires_in": 600,
            "refresh_token": refreshed["refresh_token"],
            "scope": begun["scope"],
            "session_id": begun["session_id"],
        },
    )
    assert len({begun["refresh_token"], refreshed["refresh_token"]}) == 2
    assert [await client.status_of(each["access_token"]) for each in (begun, refreshed)] == [200, 200]


async def test_fifty_refreshes_at_once_with_one_token_return_the_same_successor(client: SessionClient) -> None:
    begun = await client.begin()
    answers = await asyncio.gather(*(client.refresh(begun["refresh_token"]) for _ in range(50)))

    assert {status for status, _ in answers} == {200}
    assert len({body["refresh_token"] for _, body in answers}) == 1
    assert (await client.refresh(answers[0][1]["refresh_token"]))[0] == 200


async def test_a_token_that_is_used_again_after_the_grace_ends_the_session(
    client: SessionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "GRACE_SECONDS", 1)
    begun = await client.begin()
    _, refreshed = await client.refresh(begun["refresh_token"])
    assert (await client.refresh(begun["refresh_token"]))[1]["refresh_token"] == refreshed["refresh_token"]
    await asyncio.sleep(1.1)

    assert await client.refresh(begun["refresh_token"]) == REFUSED
    assert await client.refresh(refreshed["refresh_token"]) == REFUSED
    assert [await client.status_of(each["access_token"]) for each in (begun, refreshed)] == [401, 401]


async def test_a_token_two_rotations_old_ends_the_session_and_only_that(client: SessionClient) -> None:
    begun, other = await client.begin(), await client.begin()
    _, second = await client.refresh(begun["refresh_token"])
    _, third = await client.refresh(second["refresh_token"])

    assert await client.refresh(begun["refresh_token"]) == REFUSED
    assert [await client.status_of(each["access_token"]) for each in (third, other)] == [401, 200]


async def test_who_knows_only_the_id_of_a_session_cannot_end_it_by_invented_tokens(client: SessionClient) -> None:
    begun = await client.begin()
    for token in (f"{begun['session_id']}.x", first_token(begun["session_id"], new_key()), "x", "x" * 256):
        assert await client.refresh(token) == REFUSED

    assert (await client.refresh(begun["refresh_token"]))[0] == 200


async def test_no_refresh_token_can_be_read_in_redis(client: SessionClient, redis: Redis) -> None:
    begun = await client.begin()
    _, refreshed = await client.refresh(begun["refresh_token"])
    stored = str(await redis.hgetall(session_key(begun["session_id"])))

    secrets = [each["refresh_token"].partition(".")[2] for each in (begun, refreshed)]
    assert [secret in stored for secret in secrets] == [False, False]


async def test_a_refresh_returns_the_rights_that_the_user_has_now_and_ends_those_of_before(
    client: SessionClient, database: asyncpg.Connection, redis: Redis, add_user: AddUser
) -> None:
    headers = await add_user("data:read", "data:write")
    _, me = await client.call("GET", "/v1/me", headers["Authorization"].removeprefix("Bearer "))
    begun = await client.begin(me["username"])
    await database.execute("UPDATE roles SET scopes = '{data:read}' WHERE name = $1", me["username"])
    started = time.monotonic()
    await SessionRepository(redis).raise_epoch(me["subject"])

    assert await client.status_of(begun["access_token"]) == 401
    assert time.monotonic() - started < 3
    status, refreshed = await client.refresh(begun["refresh_token"])
    assert (status, refreshed["scope"]) == (200, "data:read")
    assert await client.status_of(refreshed["access_token"]) == 200


async def test_a_disabled_user_cannot_go_on(client: SessionClient, database: asyncpg.Connection, redis: Redis) -> None:
    begun = await client.begin()
    await database.execute("UPDATE users SET disabled = true WHERE username = 'admin'")

    assert await client.refresh(begun["refresh_token"]) == REFUSED
    assert await client.status_of(begun["access_token"]) == 401
    assert await redis.exists(session_key(begun["session_id"])) == 0


async def test_a_database_that_is_away_uses_no_token_up(client: SessionClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise DatabaseUnavailableError("PostgreSQL does not answer")

    begun = await client.begin()
    with monkeypatch.context() as patch:
        patch.setattr(UserRepository, "login_by_id", away)
        assert (await client.refresh(begun["refresh_token"]))[0] == 503
    monkeypatch.setattr(repository, "GRACE_SECONDS", 0)

    assert (await client.refresh(begun["refresh_token"]))[0] == 200


async def test_a_refresh_does_not_prolong_the_session_and_its_tokens_end_with_it(
    client: SessionClient, redis: Redis
) -> None:
    begun = await client.begin()
    key = session_key(begun["session_id"])
    before = await redis.expiretime(key)
    await redis.hset(key, "expires", str(int(time.time()) + 100))
    _, refreshed = await client.refresh(begun["refresh_token"])

    assert await redis.expiretime(key) == before
    assert 95 <= refreshed["expires_in"] <= 100


@pytest.mark.parametrize("body", [{}, {"refresh_token": ""}, {"refresh_token": "x" * 257}, {"refresh_token": 1}])
async def test_a_body_without_a_refresh_token_is_refused(client: SessionClient, body: dict[str, Any]) -> None:
    status, problem = await client.call("POST", "/v1/sessions/refresh", json=body)

    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, ["/body/refresh_token"])
