import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from conftest import PASSWORD, AddUser, sign_in
from upstream import Upstream

from nexus_gateway.app import create_app
from nexus_gateway.settings import Settings
from nexus_testkit import assert_settings_documented, serving

README = Path(__file__).parent.parent.parent / "README.md"


async def get(http: aiohttp.ClientSession, url: str, **options: Any) -> tuple[int, Any]:  # noqa: ANN401  aiohttp's own
    async with http.get(url, **options) as response:
        return response.status, without_latency(await response.json(content_type=None))


def without_latency(value: Any) -> Any:  # noqa: ANN401  any JSON
    if isinstance(value, dict):
        return {name: without_latency(item) for name, item in value.items() if name != "latency_ms"}
    return value


async def test_status_shows_all_six_services(gateway: str, http: aiohttp.ClientSession) -> None:
    ok, away = {"status": "ok"}, {"status": "unavailable"}

    assert await get(http, f"{gateway}/v1/status") == (
        200,
        {
            "status": "degraded",
            "services": {
                "postgres": ok,
                "redis": ok,
                "nexus-gateway": ok,
                "dataflow-service": ok,
                "classification-service": away,
                "mcp-server": away,
            },
        },
    )


async def test_an_administrator_sees_versions_checks_and_errors(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], postgres_admin_url: str
) -> None:
    connection = await asyncpg.connect(postgres_admin_url)
    postgres_version = str(await connection.fetchval("SHOW server_version")).partition(" ")[0]
    await connection.close()
    _, body = await get(http, f"{gateway}/v1/status", headers=admin)
    away: dict[str, Any] = {"status": "unavailable", "version": None, "checks": {}, "error": "ClientConnectorError"}

    assert body["services"] == {
        "postgres": {"status": "ok", "version": postgres_version, "checks": {}},
        "redis": {"status": "ok", "version": body["services"]["redis"]["version"], "checks": {}},
        "nexus-gateway": {
            "status": "ok",
            "version": "0.3.0",
            "checks": {"postgres": {"status": "ok"}, "signing_keys": {"status": "ok"}, "redis": {"status": "ok"}},
        },
        "dataflow-service": {"status": "ok", "version": "9.9", "checks": {"postgres": {"status": "ok"}}},
        "classification-service": away,
        "mcp-server": away,
    }


async def test_the_details_are_for_administrators_only(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], add_user: AddUser
) -> None:
    await get(http, f"{gateway}/v1/status", headers=admin)
    for headers in ({}, await add_user("data:admin", "data:read")):
        _, body = await get(http, f"{gateway}/v1/status", headers=headers)
        assert {member for service in body["services"].values() for member in service} == {"status"}


async def test_a_token_that_is_not_valid_is_refused(gateway: str, http: aiohttp.ClientSession) -> None:
    assert (await get(http, f"{gateway}/v1/status", headers={"Authorization": "Bearer x"}))[0] == 401


async def test_all_well_is_ok(environment: pytest.MonkeyPatch, http: aiohttp.ClientSession, upstream: Upstream) -> None:
    for setting in ("NEXUS_DATAFLOW_URL", "NEXUS_CLASSIFICATION_URL", "NEXUS_MCP_URL"):
        environment.setenv(setting, upstream.url)
    async with serving(create_app()) as gateway:
        _, body = await get(http, f"{gateway}/v1/status")

    assert body["status"] == "ok"


async def test_health_names_the_checks(gateway: str, http: aiohttp.ClientSession) -> None:
    assert await get(http, f"{gateway}/health") == (
        200,
        {
            "status": "ok",
            "service": "nexus-gateway",
            "checks": {"postgres": {"status": "ok"}, "signing_keys": {"status": "ok"}, "redis": {"status": "ok"}},
        },
    )


class TestWithoutRedis:
    @pytest.fixture
    def no_redis(self, environment: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
        environment.setenv("NEXUS_REDIS_URL", f"redis://127.0.0.1:{unused_tcp_port}/0")

    @pytest.mark.usefixtures("no_redis")
    async def test_the_gateway_is_degraded_and_says_so(self, http: aiohttp.ClientSession) -> None:
        async with serving(create_app()) as gateway:
            status, body = await get(http, f"{gateway}/health")
            signing_in = http.post(f"{gateway}/v1/sessions", json={"username": "admin", "password": PASSWORD})
            async with signing_in as response:
                refusal = await response.json(content_type=None)
            jwks, _ = await get(http, f"{gateway}/.well-known/jwks.json")

        assert (status, body["status"], body["checks"]["redis"]["status"]) == (200, "degraded", "failed")
        assert refusal == {
            "type": "urn:nexus:problem:store-unavailable",
            "title": "The gateway is degraded",
            "status": 503,
            "detail": "Sessions and channels cannot be read now. Try again in a few seconds. "
            "/v1/status shows the state of each service.",
        }
        assert jwks == 200


async def test_the_gateway_goes_on_after_its_database_connections_died(
    gateway: str, http: aiohttp.ClientSession, postgres_url: str
) -> None:
    connection = await asyncpg.connect(postgres_url)
    for _ in range(3):
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE usename = current_user AND pid <> pg_backend_pid()"
        )
        await asyncio.sleep(0.1)
        assert (await sign_in(http, gateway, "admin", PASSWORD))[0] == 201
    await connection.close()


@pytest.mark.usefixtures("environment")
def test_each_operation_is_in_the_readme() -> None:
    document = create_app().openapi()
    readme = README.read_text("utf-8")

    missing = [
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in operations
        if f"`{method.upper()} {path}`" not in readme
    ]
    assert missing == []


def test_each_setting_is_in_the_readme() -> None:
    assert_settings_documented(Settings, README)
