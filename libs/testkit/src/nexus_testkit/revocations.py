"""What ended, as the gateway answers it to the other services, over a real Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import aiohttp
from fastapi import FastAPI, Request
from redis.asyncio import Redis

from nexus_chassis.app import build_app
from nexus_chassis.health import Health
from nexus_chassis.revocation_stream import (
    RevocationFeed,
    answer_revocations,
    revoke_key,
    revoke_session,
    revoke_subject,
)
from nexus_chassis.revocations import Revocations
from nexus_chassis.routing import Router
from nexus_chassis.runtime import runtime_of
from nexus_chassis.settings import ServiceSettings
from nexus_testkit.issuer import Issuer
from nexus_testkit.serving import serving


class _Settings(ServiceSettings):
    service_name: ClassVar[str] = "revocations"


class RevocationServer:
    """What ends by `nexus_chassis.revocation_stream` with `redis` is answered at `url`."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.url = ""
        self.app = FastAPI()


@asynccontextmanager
async def revocation_server(redis_url: str) -> AsyncIterator[RevocationServer]:
    """A server of its own, on a free port of 127.0.0.1."""
    router = Router()
    async with (
        Redis.from_url(redis_url, decode_responses=True) as redis,
        Redis.from_url(redis_url, decode_responses=True) as follower,
    ):
        feed, server = RevocationFeed(redis, follower, Revocations()), RevocationServer(redis)

        @router.get("/oauth/revocations")
        async def revocations(request: Request, after: str = "0-0", wait: float = 0) -> dict[str, Any]:
            return (await answer_revocations(request, feed, after, wait)).body()

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with feed.running(runtime_of(app).drain):
                yield

        health = Health("revocations", "0")
        server.app = build_app(_Settings(), version="0", lifespan=lifespan, health=health, routers=[router])
        async with serving(server.app) as url:
            server.url = f"{url}/oauth/revocations"
            yield server


async def assert_ended_tokens_are_refused(
    url: str, issuer: Issuer, revoking: RevocationServer, audience: str, scopes: Iterable[str]
) -> None:
    """Fail unless `url` of a service refuses tokens within a second of the end of their session, epoch or key."""
    tokens = [
        issuer.mint(audience, scopes, subject=subject, sid=session, session_epoch=1)
        for subject, session in (("alice", "ended"), ("bob", "of-bob"), ("carol", "other"))
    ]
    async with aiohttp.ClientSession() as client:

        async def statuses() -> list[int]:
            headers = [{"Authorization": f"Bearer {token}"} for token in tokens]
            return [(await client.get(url, headers=each)).status for each in headers]

        async def until(expected: list[int]) -> None:
            started = time.monotonic()
            while await statuses() != expected:
                assert time.monotonic() - started < 1
                await asyncio.sleep(0.02)

        assert await statuses() == [200, 200, 200]
        await revoke_session(revoking.redis, "ended")
        await until([401, 200, 200])
        await revoke_subject(revoking.redis, "bob", 2)
        await until([401, 401, 200])
        await revoke_key(revoking.redis, str(issuer.key.kid))
        await until([401, 401, 401])
