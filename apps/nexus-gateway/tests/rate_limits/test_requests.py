"""Limits on requests to the gateway, over HTTP."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from conftest import AddUser, TokenWith, ask, sign_in
from prometheus_client import REGISTRY

from nexus_gateway.app import create_app
from nexus_testkit import serving

ANONYMOUS = '"address";q=120000;w=60, "anonymous";q=5;w=60'
OF_USER = '"principal";q=60000;w=60, "address";q=120000;w=60'

type Serve = Callable[..., Awaitable[str]]


@pytest_asyncio.fixture
async def serve(environment: pytest.MonkeyPatch, upstream: Any) -> AsyncIterator[Serve]:  # noqa: ANN401  the service
    """Serves a gateway with these limits and further settings."""
    environment.setenv("NEXUS_DATAFLOW_URL", upstream.url)
    environment.setenv("NEXUS_MCP_URL", upstream.url)
    async with AsyncExitStack() as stack:

        async def start(limits: str, **settings: str) -> str:
            environment.setenv("NEXUS_RATE_LIMITS", limits)
            for name, value in settings.items():
                environment.setenv(name, value)
            return await stack.enter_async_context(serving(create_app()))

        yield start


async def token(http: aiohttp.ClientSession, gateway: str) -> dict[str, str]:
    status, body = await sign_in(http, gateway, "admin", "correct horse battery staple")
    assert status == 201
    return {"Authorization": f"Bearer {body['access_token']}"}


async def get(
    http: aiohttp.ClientSession, url: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str]]:
    """The status, and the headers about limits."""
    async with http.get(url, headers=headers) as response:
        await response.read()
        names = ("RateLimit-Policy", "RateLimit", "Retry-After")
        return response.status, {name: response.headers[name] for name in names if name in response.headers}


async def statuses(
    http: aiohttp.ClientSession, url: str, times: int, headers: dict[str, str] | None = None
) -> Counter[int]:
    found = await asyncio.gather(*(get(http, url, headers) for _ in range(times)))
    return Counter(status for status, _ in found)


async def test_an_answer_says_what_is_left_of_the_limits(serve: Serve, http: aiohttp.ClientSession) -> None:
    gateway = await serve("anonymous=5/60")

    assert await get(http, f"{gateway}/.well-known/jwks.json") == (
        200,
        {"RateLimit-Policy": ANONYMOUS, "RateLimit": '"anonymous";r=4;t=12'},
    )
    assert await get(http, f"{gateway}/v1/me", await token(http, gateway)) == (
        200,
        {"RateLimit-Policy": OF_USER, "RateLimit": '"principal";r=59999;t=1'},
    )


async def test_above_the_limit_the_answer_says_when_to_come_back(serve: Serve, http: aiohttp.ClientSession) -> None:
    gateway = await serve("principal=3/60")
    headers = await token(http, gateway)
    assert await statuses(http, f"{gateway}/v1/me", 3, headers) == {200: 3}

    async with http.get(f"{gateway}/v1/me", headers=headers) as response:
        problem = await response.json(content_type=None)
        found = {name: response.headers[name] for name in ("RateLimit-Policy", "RateLimit", "Retry-After")}
    assert found == {
        "RateLimit-Policy": '"principal";q=3;w=60, "address";q=120000;w=60',
        "RateLimit": '"principal";r=0;t=20',
        "Retry-After": "20",
    }
    assert problem == {
        "type": "urn:nexus:problem:rate-limited",
        "title": "Too many requests",
        "status": 429,
        "detail": "The limit 'principal' is used up. Try again in 20 s.",
        "limit": "principal",
        "retry_after": 20,
    }


async def test_two_replicas_share_the_limits(serve: Serve, http: aiohttp.ClientSession) -> None:
    replicas = [await serve("principal=20/60 anonymous=30/60 sign-in=10/60") for _ in range(2)]
    headers = await token(http, replicas[0])

    of_principal = await asyncio.gather(*(statuses(http, f"{url}/v1/me", 30, headers) for url in replicas))
    assert sum(of_principal, Counter()) == {200: 20, 429: 40}
    of_strangers = await asyncio.gather(*(statuses(http, f"{url}/v1/status", 30) for url in replicas))
    assert sum(of_strangers, Counter()) == {200: 30, 429: 30}


async def test_each_principal_has_limits_of_its_own(
    serve: Serve, http: aiohttp.ClientSession, add_user: AddUser
) -> None:
    one, other = await add_user("data:read"), await add_user("data:read")
    limited = await serve("principal=3/60")

    assert await statuses(http, f"{limited}/v1/me", 5, one) == {200: 3, 429: 2}
    assert await statuses(http, f"{limited}/v1/me", 5, other) == {200: 3, 429: 2}


async def test_the_routes_of_a_class_count_together_and_apart_from_others(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    gateway = await serve("heavy=4/60")
    headers = await token(http, gateway)

    assert await get(http, f"{gateway}/v1/agents/echo/1", headers) == (
        200,
        {"RateLimit-Policy": f'{OF_USER}, "heavy";q=4;w=60', "RateLimit": '"heavy";r=3;t=15'},
    )
    assert await statuses(http, f"{gateway}/v1/agents/echo/1", 4, headers) == {200: 3, 429: 1}
    assert await statuses(http, f"{gateway}/v1/classification/none", 2, headers) == {429: 2}
    assert await statuses(http, f"{gateway}/v1/data/echo/1", 10, headers) == {200: 10}


async def test_all_users_of_a_client_count_together_but_not_those_of_the_gateway_itself(
    serve: Serve, http: aiohttp.ClientSession, token_with: TokenWith
) -> None:
    gateway = await serve("client=4/60")
    first_party = await token(http, gateway)
    assert await statuses(http, f"{gateway}/v1/me", 10, first_party) == {200: 10}

    found = [
        await statuses(http, f"{gateway}/v1/me", 3, token_with(client_id="app", sub=user)) for user in ("u1", "u2")
    ]
    assert sum(found, Counter()) == {200: 4, 429: 2}
    assert await statuses(http, f"{gateway}/v1/me", 3, token_with(client_id="other", sub="u1")) == {200: 3}


async def test_requests_of_strangers_count_by_their_address(serve: Serve, http: aiohttp.ClientSession) -> None:
    gateway = await serve("anonymous=6/60")
    for path in ("/v1/status", "/nothing/here", "/openapi.json", "/v1/me"):
        await get(http, f"{gateway}{path}")
    forged = {"Authorization": "Bearer forged"}
    assert (await get(http, f"{gateway}/v1/me", forged))[0] == 401
    assert (await get(http, f"{gateway}/.well-known/jwks.json", forged))[0] == 200
    assert (await get(http, f"{gateway}/v1/me", forged))[0] == 429
    assert (await get(http, f"{gateway}/v1/status"))[0] == 429

    elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession(connector=elsewhere) as other:
        assert (await get(other, f"{gateway}/v1/status"))[0] == 200
    assert await statuses(http, f"{gateway}/livez", 20) == {200: 20}


async def test_signing_in_has_a_limit_of_its_own(serve: Serve, http: aiohttp.ClientSession) -> None:
    gateway = await serve("sign-in=3/60")
    answers = [await sign_in(http, gateway, "nobody", "wrong") for _ in range(4)]

    assert [status for status, _ in answers] == [401, 401, 401, 429]
    assert answers[3][1]["detail"] == "The limit 'sign-in' is used up. Try again in 20 s."
    assert (await get(http, f"{gateway}/v1/status"))[0] == 200


async def test_registering_clients_has_a_limit_of_its_own_that_counts_before_the_work(
    serve: Serve, http: aiohttp.ClientSession, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("NEXUS_CLIENT_REGISTRATION", "on")
    gateway = await serve("register=3/60")
    documents: list[object] = [{"redirect_uris": ["http://127.0.0.1/"]}, {}, "no object", {}]
    answers = [await ask(http, "POST", f"{gateway}/oauth/register", {}, document) for document in documents]

    assert [status for status, _ in answers] == [201, 400, 400, 429]
    assert answers[3][1]["detail"] == "The limit 'register' is used up. Try again in 20 s."
    assert (await get(http, f"{gateway}/v1/status"))[0] == 200
    elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession(connector=elsewhere) as other:
        assert (await ask(other, "POST", f"{gateway}/oauth/register", {}, documents[0]))[0] == 201


async def test_an_address_has_a_limit_on_all_its_requests(serve: Serve, http: aiohttp.ClientSession) -> None:
    gateway = await serve("address=10/60")
    headers = await token(http, gateway)

    assert await statuses(http, f"{gateway}/v1/status", 4) == {200: 4}
    assert await statuses(http, f"{gateway}/v1/me", 8, headers) == {200: 5, 429: 3}


async def test_behind_a_trusted_proxy_the_clients_count_apart(serve: Serve, http: aiohttp.ClientSession) -> None:
    gateway = await serve("anonymous=2/60", NEXUS_TRUSTED_PROXIES="127.0.0.0/8")

    def via_proxy(client: str) -> dict[str, str]:
        return {"X-Forwarded-For": f"1.2.3.4, {client}"}

    for client in ("198.51.100.1", "198.51.100.2"):
        assert await statuses(http, f"{gateway}/v1/status", 3, via_proxy(client)) == {200: 2, 429: 1}
    # all addresses of a network are one client
    network = [(await get(http, f"{gateway}/v1/status", via_proxy(f"2001:db8::{n}")))[0] for n in range(3)]
    assert network == [200, 200, 429]


async def test_without_trusted_proxies_nobody_can_claim_another_address(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    gateway = await serve("anonymous=2/60")
    found = [
        (
            await get(
                http, f"{gateway}/v1/status", {"X-Forwarded-For": f"198.51.100.{n}", "Forwarded": f"for=1.1.1.{n}"}
            )
        )[0]
        for n in range(3)
    ]

    assert found == [200, 200, 429]


async def test_the_service_behind_learns_the_address_that_the_trusted_proxy_saw(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    gateway = await serve("", NEXUS_TRUSTED_PROXIES="127.0.0.1", NEXUS_PROXY_HEADER="forwarded")
    headers = {**await token(http, gateway), "Forwarded": 'for="[2001:db8::5]:4711"', "X-Forwarded-For": "9.9.9.9"}
    async with http.get(f"{gateway}/v1/data/echo/1", headers=headers) as response:
        assert (await response.json())["headers"]["x-forwarded-for"] == "2001:db8::5"


async def test_while_redis_is_away_strangers_pass_uncounted_and_sessions_are_refused(
    serve: Serve, http: aiohttp.ClientSession, unused_tcp_port: int
) -> None:
    there = await serve("anonymous=2/60")
    headers = await token(http, there)
    away = await serve("anonymous=2/60", NEXUS_REDIS_URL=f"redis://127.0.0.1:{unused_tcp_port}/0")
    before = uncounted()

    assert await statuses(http, f"{away}/.well-known/jwks.json", 10) == {200: 10}
    assert uncounted() - before == 10
    assert await statuses(http, f"{away}/v1/me", 3, headers) == {503: 3}


def uncounted() -> float:
    return REGISTRY.get_sample_value("gateway_limiter_open_total") or 0
