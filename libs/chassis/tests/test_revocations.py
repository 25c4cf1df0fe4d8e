import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from fastapi import FastAPI
from redis.asyncio import Redis

from nexus_chassis import revocations as revocations_module
from nexus_chassis.app import build_app
from nexus_chassis.health import Health
from nexus_chassis.principal import Principal
from nexus_chassis.redis import create_redis
from nexus_chassis.revocations import (
    STREAM,
    RevocationPage,
    Revocations,
    end_session,
    read_revocations,
    session_hash,
)
from nexus_chassis.routing import Router
from nexus_chassis.settings import RedisSettings, ServiceSettings
from nexus_testkit import serving


class Settings(ServiceSettings):
    service_name = "example"


@pytest_asyncio.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    client = create_redis(redis_settings)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def url(redis: Redis) -> AsyncIterator[str]:
    """The issuer's list of ended sessions, as the gateway serves it."""
    router = Router()

    @router.get("/oauth/revocations")
    async def revocations(after: str = "0-0") -> dict[str, Any]:
        return (await read_revocations(redis, after)).body()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    health = Health("example", "0.1.0")
    app = build_app(Settings(), version="0.1.0", lifespan=lifespan, health=health, routers=[router])
    async with serving(app) as address:
        yield f"{address}/oauth/revocations"


def principal(session: str | None) -> Principal:
    return Principal("alice", "tests", frozenset(), "token", 0, "1", session)


async def test_a_session_that_is_ended_is_ended_everywhere_within_seconds(redis: Redis, url: str) -> None:
    revocations = Revocations(url)
    await end_session(redis, "before")
    async with revocations.following():
        assert revocations.has_ended(principal("before"))
        await end_session(redis, "meanwhile")
        await asyncio.sleep(revocations_module.POLL_SECONDS + 0.5)

    ended = [revocations.has_ended(principal(session)) for session in ("before", "meanwhile", "other", None)]
    assert ended == [True, True, False, False]


async def test_more_revocations_than_a_page_has_are_all_read(
    redis: Redis, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations_module, "MAX_REVOCATIONS", 3)
    for number in range(7):
        await end_session(redis, str(number))
    revocations = Revocations(url)

    assert [await revocations.update() for _ in range(3)] == [True, True, False]
    assert all(revocations.has_ended(principal(str(number))) for number in range(7))


async def test_a_page_has_no_session_ids(redis: Redis) -> None:
    await end_session(redis, "session")
    page = await read_revocations(redis)

    assert page.body() == {"sessions": [session_hash("session")], "cursor": page.cursor}
    assert await read_revocations(redis, page.cursor) == RevocationPage([], page.cursor)


async def test_sessions_whose_tokens_have_all_expired_are_forgotten(redis: Redis) -> None:
    for _ in range(200):
        await redis.xadd(STREAM, {"session": "old"}, id="1-*")
    await end_session(redis, "session")

    assert await redis.xlen(STREAM) <= 101


@pytest.mark.parametrize("after", ["", "x", "-", "+", "0-0 "])
async def test_a_cursor_that_is_none_is_refused(redis: Redis, after: str) -> None:
    with pytest.raises(ValueError, match="is not an offset"):
        await read_revocations(redis, after)


async def test_an_issuer_that_is_away_leaves_the_known_ones_and_is_logged_once(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await end_session(redis, "session")
    answers: list[Any] = [(await read_revocations(redis)).body(), OSError("away"), ValueError("odd"), {"sessions": [1]}]

    async def fetch(_: str) -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    revocations = Revocations("http://issuer/oauth/revocations", fetch=fetch)
    for _ in range(4):
        await revocations.update()

    assert revocations.has_ended(principal("session"))
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "cannot read ended sessions at http://issuer/oauth/revocations: OSError('away')"
    ]
