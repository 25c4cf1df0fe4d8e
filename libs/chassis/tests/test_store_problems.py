from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI

from nexus_chassis.app import build_app
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError, RedisUnavailableError
from nexus_chassis.health import Health
from nexus_chassis.routing import Router
from nexus_chassis.settings import ServiceSettings
from nexus_testkit import serving


class Settings(ServiceSettings):
    service_name = "example"


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield


ANSWERS: list[tuple[Exception, dict[str, Any]]] = [
    (
        DatabaseUnavailableError("host db, role x"),
        {
            "type": "urn:nexus:problem:database-unavailable",
            "title": "The database is unavailable",
            "status": 503,
            "detail": "The database does not answer now. A change that was under way may or may not have been made: "
            "read it again in a few seconds, then repeat what is missing.",
        },
    ),
    (
        RedisUnavailableError("host redis"),
        {
            "type": "urn:nexus:problem:store-unavailable",
            "title": "A store is unavailable",
            "status": 503,
            "detail": "Redis does not answer now. Try again in a few seconds.",
        },
    ),
    (
        PoolExhaustedError("Redis", 64, 5),
        {
            "type": "urn:nexus:problem:overloaded",
            "title": "The service is overloaded",
            "status": 503,
            "detail": "All connections of the service to its store are busy. Try again in a few seconds.",
        },
    ),
]


@pytest.mark.parametrize(("error", "answer"), ANSWERS)
async def test_a_store_that_cannot_be_used_is_answered_with_503(
    http: aiohttp.ClientSession, error: Exception, answer: dict[str, Any]
) -> None:
    router = Router()

    @router.get("/rows")
    async def rows() -> None:
        raise error

    health = Health("example", "0.1.0")
    app = build_app(Settings(), version="0.1.0", lifespan=_lifespan, health=health, routers=[router])
    async with serving(app) as url, http.get(f"{url}/rows") as response:
        assert (await response.json(content_type=None), response.headers["Retry-After"]) == (answer, "2")
