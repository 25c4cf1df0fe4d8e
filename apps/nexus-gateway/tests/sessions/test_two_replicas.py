"""Two replicas of the gateway on one PostgreSQL and one Redis: two processes."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from other_service import followed, until_refused
from redis.asyncio import Redis
from session_client import SessionClient
from websocket_client import client_of

from nexus_chassis.revocation_stream import revoke_key
from nexus_gateway.oauth.keys.signing_key import SigningKey
from nexus_testkit import ServiceProcess


@pytest.fixture
def processes(environment: pytest.MonkeyPatch) -> Iterator[list[ServiceProcess]]:
    environment.chdir(Path(__file__).parents[2])
    started = [ServiceProcess(("-m", "nexus_gateway")) for _ in range(2)]
    for process in started:
        process.wait_until_it_answers()
    yield started
    for process in started:
        process.stop()


@pytest.fixture
def replicas(processes: list[ServiceProcess], http: aiohttp.ClientSession) -> list[SessionClient]:
    return [SessionClient(http, process.url) for process in processes]


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as connection:
        yield connection


async def test_sessions_refreshes_and_their_end_are_the_same_at_both_replicas(
    replicas: list[SessionClient], redis: Redis, secret_files: dict[str, Path]
) -> None:
    first, second = replicas
    begun = await first.begin()
    assert await second.status_of(begun["access_token"]) == 200

    answers = await asyncio.gather(*(each.refresh(begun["refresh_token"]) for each in replicas * 10))
    assert len({body["refresh_token"] for _, body in answers}) == 1
    tokens = answers[0][1]

    _, exchanged = await first.call("POST", "/v1/tokens", tokens["access_token"], json={"audience": "mcp-server"})
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    async with (
        followed(second.gateway, "mcp-server") as verifier,
        client_of(second.gateway, headers) as socket,
    ):
        await verifier.verify(exchanged["access_token"])
        started = time.monotonic()
        await first.call("DELETE", "/v1/sessions", tokens["access_token"])
        assert await second.status_of(tokens["access_token"]) == 401
        assert await socket.close_code() == 4401
        await until_refused(verifier, exchanged["access_token"])
        assert time.monotonic() - started < 3
    assert (await second.refresh(tokens["refresh_token"]))[0] == 401

    again = await second.begin()
    headers = {"Authorization": f"Bearer {again['access_token']}"}
    async with client_of(first.gateway, headers) as socket:
        started = time.monotonic()
        kid = SigningKey.load(secret_files["NEXUS_SIGNING_KEY_FILE"]).kid
        await revoke_key(redis, kid)
        assert await socket.close_code() == 4401
        await all_refuse(replicas, again["access_token"])
        assert time.monotonic() - started < 3


async def all_refuse(replicas: list[SessionClient], token: str) -> None:
    """Wait until all replicas refuse a token: their processes read of withdrawn keys at different moments."""
    async with asyncio.timeout(20):
        while {await each.status_of(token) for each in replicas} != {401}:  # noqa: ASYNC110  other processes have no event
            await asyncio.sleep(0.02)
