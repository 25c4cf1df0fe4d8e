"""What ended, as the gateway answers it to the other services, over a real Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from redis.asyncio import Redis

from nexus_chassis.app import build_app
from nexus_chassis.health import Health
from nexus_chassis.revocation_stream import RevocationFeed, answer_revocations
from nexus_chassis.revocations import Revocations
from nexus_chassis.routing import Router
from nexus_chassis.runtime import runtime_of
from nexus_chassis.settings import ServiceSettings
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
