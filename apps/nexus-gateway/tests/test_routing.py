import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from conftest import AddUser
from upstream import Upstream
from yarl import URL

from nexus_chassis.tokens import TokenVerifier
from nexus_gateway import app as gateway_app
from nexus_gateway.routing.routes import Route, routes
from nexus_gateway.settings import Settings


async def test_the_service_gets_the_request_with_a_token_of_its_own(
    gateway: str, http: aiohttp.ClientSession, upstream: Upstream, add_user: AddUser
) -> None:
    caller = await add_user("data:read", "data:write", "classify")
    headers = caller | {
        "X-Given": "kept",
        "X-Forwarded-For": "6.6.6.6",
        "Cookie": "a=b",
        "Connection": "X-Hop",
        "X-Hop": "1",
    }
    async with http.post(f"{gateway}/v1/data/products", headers=headers, data=b"caf\xc3\xa9") as response:
        assert (response.status, response.headers["X-Own"]) == (201, "1")
        assert response.headers["Location"] == "/v1/data/products/1"
        assert "Set-Cookie" not in response.headers

    received = upstream.received["headers"]
    token = received["authorization"].removeprefix("Bearer ")
    principal = await TokenVerifier(
        "http://localhost:8000", "dataflow-service", f"{gateway}/.well-known/jwks.json"
    ).verify(token)
    assert upstream.received["body"] == "café"
    assert f"Bearer {token}" != caller["Authorization"]
    assert principal.scopes == {"data:read", "data:write"}
    assert (received["x-given"], received["x-forwarded-for"]) == ("kept", "127.0.0.1")
    assert received.keys().isdisjoint({"cookie", "x-hop"})


async def test_path_and_query_arrive_as_they_were_sent(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    url = URL(f"{gateway}/v1/data/echo/a%2Fb%20%C3%A9?q=1%2B1&q=2", encoded=True)
    async with http.get(url, headers=admin) as response:
        body = await response.json()

    assert (body["path"], body["query"]) == ("/v1/echo/a%2Fb%20%C3%A9", "q=1%2B1&q=2")


async def test_the_trace_goes_on(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with http.get(f"{gateway}/v1/data/echo/x", headers=admin | {"traceparent": sent}) as response:
        received = (await response.json())["headers"]["traceparent"]

    assert received.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert received != sent


async def test_the_token_of_a_route_is_made_once(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    tokens = set()
    for _ in range(5):
        async with http.get(f"{gateway}/v1/data/echo/x", headers=admin) as response:
            tokens.add((await response.json())["headers"]["authorization"])

    assert len(tokens) == 1


async def test_answers_stream_and_an_absent_client_ends_them(
    gateway: str, http: aiohttp.ClientSession, upstream: Upstream, admin: dict[str, str]
) -> None:
    async with asyncio.timeout(5):
        async with http.get(f"{gateway}/v1/data/stream", headers=admin) as response:
            assert await response.content.readline() == b"0\n"
        await upstream.stream_ended.wait()


async def test_an_answer_that_breaks_off_does_not_look_whole(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.get(f"{gateway}/v1/data/broken", headers=admin) as response:
            await response.read()


async def test_uploads_stream(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(65536)

    async with http.post(f"{gateway}/v1/data/upload", headers=admin, data=chunks()) as response:
        assert (response.status, await response.json()) == (200, 6553600)


TOO_LARGE = {
    "type": "urn:nexus:problem:body-too-large",
    "title": "The request body is too large",
    "status": 413,
    "detail": "At most 1000 bytes are taken here. Send it in parts.",
}


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The route table with tight limits; must be asked for before `gateway`."""

    def tight(settings: Settings) -> tuple[Route, ...]:
        return tuple(replace(route, timeout=0.3, body_limit=1000) for route in routes(settings))

    monkeypatch.setattr(gateway_app, "routes", tight)


@pytest.mark.usefixtures("small_limits")
class TestLimits:
    async def test_a_body_declared_too_large(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        async with http.post(f"{gateway}/v1/data/upload", headers=admin, data=bytes(1001)) as response:
            assert (response.status, await response.json(content_type=None)) == (413, TOO_LARGE)

    async def test_a_body_that_turns_out_too_large(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield bytes(500)

        async with http.post(f"{gateway}/v1/data/upload", headers=admin, data=chunks()) as response:
            assert (response.status, await response.json(content_type=None)) == (413, TOO_LARGE)

    async def test_a_service_that_does_not_answer(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        async with http.get(f"{gateway}/v1/data/silent", headers=admin) as response:
            assert (response.status, await response.json(content_type=None)) == (
                504,
                {
                    "type": "urn:nexus:problem:upstream-timeout",
                    "title": "A service took too long",
                    "status": 504,
                    "detail": "dataflow-service gave no answer in time. Try again later; /v1/status tells its state.",
                    "service": "dataflow-service",
                },
            )


async def test_a_service_that_is_away(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    async with http.post(f"{gateway}/v1/classification/classify", headers=admin, json={}) as response:
        assert response.headers["Retry-After"] == "5"
        assert (response.status, response.content_type, await response.json(content_type=None)) == (
            502,
            "application/problem+json",
            {
                "type": "urn:nexus:problem:upstream-unavailable",
                "title": "A service is away",
                "status": 502,
                "detail": "classification-service cannot be reached. "
                "Try again in a few seconds; /v1/status tells its state.",
                "service": "classification-service",
            },
        )


@pytest.mark.parametrize(
    "path", ["/v1/data/../admin", "/v1/data/%2e%2e/x", "/v1/data/a/%2E/b", "/v1/d%61ta/x", "/v1/data/..%5cx"]
)
async def test_ambiguous_paths_go_nowhere(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], path: str
) -> None:
    async with http.get(URL(f"{gateway}{path}", encoded=True), headers=admin) as response:
        assert (response.status, await response.json(content_type=None)) == (
            400,
            {
                "type": "urn:nexus:problem:ambiguous-path",
                "title": "The path is ambiguous",
                "status": 400,
                "detail": f"Found {path}. Write /v1/data/ without percent escapes, and no '.' or '..' between slashes.",
            },
        )


async def test_a_caller_without_any_scope_of_the_route(
    gateway: str, http: aiohttp.ClientSession, add_user: AddUser
) -> None:
    caller = await add_user("classify")
    async with http.get(f"{gateway}/v1/data/products", headers=caller) as response:
        assert response.status == 403
        assert (await response.json(content_type=None))["missing_scopes"] == ["data:admin", "data:read", "data:write"]


async def test_a_caller_without_token(gateway: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{gateway}/v1/data/products") as response:
        assert response.status == 401


async def test_nothing_is_served_at_the_root(gateway: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{gateway}/") as response:
        assert (response.status, response.content_type) == (404, "application/problem+json")
