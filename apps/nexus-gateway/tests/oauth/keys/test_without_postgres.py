"""Signing keys of a gateway that starts while PostgreSQL is away."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from conftest import CLIENT_SECRET

from nexus_gateway.app import create_app
from nexus_gateway.oauth.keys.signing_key import SigningKey
from nexus_testkit import serving
from nexus_testkit.tcp_proxy import TcpProxy
from nexus_testkit.waiting import until

BACK_SECONDS = 5
CLIENT = {"Authorization": aiohttp.encode_basic_auth("mcp-server", CLIENT_SECRET)}
FORM = {"grant_type": "client_credentials", "audience": "dataflow-service"}
NOT_ISSUED = {
    "type": "urn:nexus:problem:signing-keys-unavailable",
    "title": "Access tokens cannot be issued now",
    "status": 503,
    "detail": "The keys that sign them cannot be read. Try again in a few seconds. /health shows the state of the gateway.",
}
NOT_VERIFIED = {
    "type": "urn:nexus:problem:token-keys-unavailable",
    "title": "Access tokens cannot be verified now",
    "status": 503,
    "detail": "The keys of the token issuer could not be fetched. Try again in a few seconds.",
}


@pytest_asyncio.fixture
async def proxy(environment: pytest.MonkeyPatch, postgres_url: str, unused_tcp_port: int) -> AsyncIterator[TcpProxy]:
    """Before the PostgreSQL of the gateway, which is away until it starts."""
    environment.delenv("NEXUS_ROUTES", raising=False)
    proxy = TcpProxy(postgres_url, unused_tcp_port)
    environment.setenv("NEXUS_POSTGRES_URL", proxy.instead_of(postgres_url))
    yield proxy
    await proxy.cut()


async def ask(http: aiohttp.ClientSession, method: str, url: str, **options: Any) -> tuple[int, Any]:  # noqa: ANN401  aiohttp's own
    async with http.request(method, url, **options) as response:
        return response.status, await response.json(content_type=None)


async def until_ready(http: aiohttp.ClientSession, gateway: str) -> None:
    async def ready() -> bool:
        return (await ask(http, "GET", f"{gateway}/readyz"))[0] == 200

    await until(ready, BACK_SECONDS)


async def test_it_signs_and_verifies_nothing_until_the_keys_are_read(
    proxy: TcpProxy, http: aiohttp.ClientSession, secret_files: dict[str, Path]
) -> None:
    now = int(time.time())
    claims = {
        "iss": "http://localhost:8000",
        "aud": "nexus-gateway",
        "sub": "a",
        "client_id": "c",
        "jti": "1",
        "scope": "",
    }
    token = SigningKey.load(secret_files["NEXUS_SIGNING_KEY_FILE"]).sign(claims | {"iat": now, "exp": now + 60})
    bearer = {"Authorization": f"Bearer {token}"}
    async with serving(create_app()) as gateway:
        health = await ask(http, "GET", f"{gateway}/health")
        issued = await ask(http, "POST", f"{gateway}/oauth/token", headers=CLIENT, data=FORM)
        assert (health[0], health[1]["status"], health[1]["checks"]["signing_keys"]["status"]) == (
            503,
            "starting",
            "failed",
        )
        assert issued == (503, NOT_ISSUED)
        assert await ask(http, "GET", f"{gateway}/.well-known/jwks.json") == (503, NOT_ISSUED)
        assert await ask(http, "GET", f"{gateway}/v1/me", headers=bearer) == (503, NOT_VERIFIED)

        await proxy.start()
        await until_ready(http, gateway)
        assert (await ask(http, "POST", f"{gateway}/oauth/token", headers=CLIENT, data=FORM))[0] == 200
        assert (await ask(http, "GET", f"{gateway}/.well-known/jwks.json"))[0] == 200
        assert (await ask(http, "GET", f"{gateway}/v1/me", headers=bearer))[0] == 200


async def test_it_goes_on_signing_when_postgresql_leaves(proxy: TcpProxy, http: aiohttp.ClientSession) -> None:
    await proxy.start()
    async with serving(create_app()) as gateway:
        await until_ready(http, gateway)
        await proxy.cut()

        async def postgres_has_left() -> bool:
            _, health = await ask(http, "GET", f"{gateway}/health")
            checks = {name: check["status"] for name, check in health["checks"].items()}
            return checks == {"postgres": "failed", "signing_keys": "ok", "redis": "ok"}

        await until(postgres_has_left, 20)
        assert (await ask(http, "POST", f"{gateway}/oauth/token", headers=CLIENT, data=FORM))[0] == 200
