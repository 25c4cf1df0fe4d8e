import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from fastapi import FastAPI

from nexus_chassis import health as health_module
from nexus_chassis.app import build_app
from nexus_chassis.health import Health
from nexus_chassis.runtime import runtime_of
from nexus_chassis.settings import ServiceSettings
from nexus_chassis.tokens import TokenVerifier
from nexus_testkit import Issuer, serving


async def well() -> None:
    """Answer."""


async def broken() -> None:
    raise ConnectionRefusedError("no route")


async def hanging() -> None:
    await asyncio.sleep(60)


async def stubborn() -> None:
    """Does not end when it is told to, like a query on a server that hangs."""
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(60)


class Settings(ServiceSettings):
    service_name = "example"


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield


async def ask(health: Health, http: aiohttp.ClientSession, path: str, *, draining: bool = False) -> tuple[int, Any]:
    app = build_app(Settings(), version="0.1.0", lifespan=_lifespan, health=health)
    if draining:
        runtime_of(app).drain.start()
    async with serving(app) as url, http.get(f"{url}{path}") as response:
        return response.status, without_latency(await response.json())


def without_latency(body: dict[str, Any]) -> dict[str, Any]:
    for check in body.get("checks", {}).values():
        assert check.pop("latency_ms") >= 0
    return body


def example(*checks: tuple[str, Any, bool]) -> Health:
    health = Health("example", "0.1.0")
    for name, check, critical in checks:
        health.add(name, check, critical=critical, timeout=0.05)
    return health


async def test_all_is_well(http: aiohttp.ClientSession) -> None:
    assert await ask(example(("postgres", well, True)), http, "/health") == (
        200,
        {"status": "ok", "service": "example", "checks": {"postgres": {"status": "ok"}}},
    )


async def test_a_minor_failure_degrades(http: aiohttp.ClientSession) -> None:
    assert await ask(example(("postgres", well, True), ("redis", broken, False)), http, "/health") == (
        200,
        {
            "status": "degraded",
            "service": "example",
            "checks": {
                "postgres": {"status": "ok"},
                "redis": {"status": "failed"},
            },
        },
    )


async def test_a_critical_failure_makes_unavailable(http: aiohttp.ClientSession) -> None:
    assert await ask(example(("postgres", hanging, True)), http, "/health") == (
        503,
        {
            "status": "unavailable",
            "service": "example",
            "checks": {"postgres": {"status": "failed"}},
        },
    )


async def test_the_answer_does_not_wait_for_a_check_that_cannot_be_ended(http: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(20):
        status, body = await ask(example(("postgres", stubborn, False), ("redis", well, True)), http, "/health")
    assert (status, body["status"]) == (200, "degraded")
    assert body["checks"]["postgres"] == {"status": "failed"}


async def test_errors_and_versions_are_for_administrators(
    http: aiohttp.ClientSession, issuer: Issuer, health_service: str
) -> None:
    bodies = []
    for scopes in (["data:read"], ["admin"]):
        headers = {"Authorization": f"Bearer {issuer.mint('example', scopes)}"}
        async with http.get(f"{health_service}/health", headers=headers) as response:
            bodies.append(without_latency(await response.json()))

    assert bodies == [
        {"status": "degraded", "service": "example", "checks": {"redis": {"status": "failed"}}},
        {
            "status": "degraded",
            "service": "example",
            "version": "0.1.0",
            "checks": {"redis": {"status": "failed", "error": "ConnectionRefusedError: no route"}},
        },
    ]


@pytest_asyncio.fixture
async def health_service(issuer: Issuer) -> AsyncIterator[str]:
    verifier = TokenVerifier(issuer.url, "example", issuer.jwks_url)
    health = example(("redis", broken, False))
    app = build_app(Settings(), version="0.1.0", lifespan=_lifespan, health=health, verifier=verifier)
    async with serving(app) as url:
        yield url


async def test_a_service_that_has_not_opened_is_not_ready(http: aiohttp.ClientSession) -> None:
    health = example(("postgres", well, True))
    opened = [False]
    health.wait_for(lambda: opened[0])
    assert await ask(health, http, "/readyz") == (503, {"status": "starting"})
    opened[0] = True
    await asyncio.sleep(health_module.CACHE_SECONDS)

    assert await ask(health, http, "/readyz") == (200, {"status": "ok"})


async def test_a_service_that_drains_is_well_but_not_ready(http: aiohttp.ClientSession) -> None:
    health = example(("postgres", well, True))

    assert await ask(health, http, "/readyz", draining=True) == (503, {"status": "draining"})
    assert (await ask(health, http, "/health", draining=True))[0] == 200


async def test_the_error_of_a_failed_check_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_module, "CACHE_SECONDS", 0.0)
    health = example(("redis", broken, False))
    await health.report()
    await health.report()

    assert [record.getMessage() for record in caplog.records] == [
        "health check redis: ConnectionRefusedError: no route"
    ]


@pytest.mark.parametrize(
    ("path", "answer"), [("/livez", (200, {"status": "ok"})), ("/readyz", (503, {"status": "unavailable"}))]
)
async def test_the_process_lives_though_it_takes_no_traffic(
    http: aiohttp.ClientSession, path: str, answer: tuple[int, Any]
) -> None:
    assert await ask(example(("postgres", broken, True)), http, path) == answer


async def test_many_questions_make_one_check(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    async def count() -> None:
        calls.append(1)
        await asyncio.sleep(0.01)

    health = example(("postgres", count, True))
    await asyncio.gather(*(health.report() for _ in range(50)))
    assert len(calls) == 1

    monkeypatch.setattr(health_module, "CACHE_SECONDS", 0.0)
    await health.report()
    assert len(calls) == 2
