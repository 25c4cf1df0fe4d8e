import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import aiohttp
import pytest
from conftest import AddUser
from multidict import CIMultiDict
from raw_http import raw_request
from upstream import Upstream
from yarl import URL

from nexus_chassis.tokens import TokenVerifier
from nexus_gateway.proxy import routes as route_table
from nexus_gateway.proxy import streams
from nexus_gateway.proxy.routes import Route, routes
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
    url = URL(f"{gateway}/v1/data/echo/a%20%C3%A9?q=1%2B1&q=2", encoded=True)
    async with http.get(url, headers=admin) as response:
        body = await response.json()

    assert (body["path"], body["query"]) == ("/v1/echo/a%20%C3%A9", "q=1%2B1&q=2")


async def test_a_client_does_not_decide_which_trace_its_request_belongs_to(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with http.get(f"{gateway}/v1/data/echo/x", headers=admin | {"traceparent": sent}) as response:
        received = (await response.json())["headers"]["traceparent"]

    assert re.fullmatch("00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-00", received)


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
    async with asyncio.timeout(20):
        async with http.get(f"{gateway}/v1/data/stream", headers=admin) as response:
            assert await response.content.readline() == b"0\n"
        await upstream.stream_ended.wait()


async def test_an_absent_client_ends_the_call_that_has_no_answer_yet(
    gateway: str, http: aiohttp.ClientSession, upstream: Upstream, admin: dict[str, str]
) -> None:
    async with asyncio.timeout(10):
        call = asyncio.create_task(http.get(f"{gateway}/v1/data/wait", headers=admin).__aenter__())
        await upstream.wait_began.wait()
        call.cancel()
        await upstream.wait_ended.wait()


async def test_an_absent_client_ends_the_call_after_its_body_was_sent(
    gateway: str, http: aiohttp.ClientSession, upstream: Upstream, admin: dict[str, str]
) -> None:
    async with asyncio.timeout(10):
        call = http.request("GET", f"{gateway}/v1/data/wait", headers=admin, data=b"x" * 200_000)
        sending = asyncio.create_task(call.__aenter__())
        await upstream.wait_began.wait()
        sending.cancel()
        await upstream.wait_ended.wait()


async def test_repeated_headers_pass_in_both_directions(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    sent = CIMultiDict([*admin.items(), ("X-Tag", "a"), ("X-Tag", "b"), ("Accept-Language", "de"), ("X-Tag", "c")])
    async with http.get(f"{gateway}/v1/data/echo/x", headers=sent) as response:
        raw = (await response.json())["raw_headers"]
    async with http.get(f"{gateway}/v1/data/repeated", headers=admin) as response:
        returned = {name: response.headers.getall(name) for name in ("Link", "Vary", "WWW-Authenticate")}

    assert [value for name, value in raw if name == "x-tag"] == ["a", "b", "c"]
    assert returned == {
        "Link": ["</a>; rel=next", "</b>; rel=last"],
        "Vary": ["Accept", "Origin"],
        "WWW-Authenticate": ["Bearer", "Basic"],
    }


@pytest.mark.parametrize(
    ("location", "public"),
    [
        ("/v1/products/1", "/v1/data/products/1"),
        ("OWN/v1/products/1", "/v1/data/products/1"),
        ("https://elsewhere.example/v1/x", "https://elsewhere.example/v1/x"),
        ("products/1", "products/1"),
    ],
)
async def test_a_location_names_the_public_path(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], location: str, public: str
) -> None:
    async with http.get(f"{gateway}/v1/data/location", params={"to": location}, headers=admin) as response:
        assert response.headers["Location"] == public


async def test_a_trailing_slash_is_the_services_own_business(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    async with http.get(f"{gateway}/v1/data/echo/x/", headers=admin, allow_redirects=False) as response:
        assert (response.status, (await response.json())["path"]) == (200, "/v1/echo/x/")


async def test_blanks_around_header_values_do_not_count(
    gateway: str, admin: dict[str, str], upstream: Upstream
) -> None:
    answer = await raw_request(
        gateway,
        "POST /v1/data/products HTTP/1.1",
        "Host: localhost",
        f"Authorization: {admin['Authorization']}",
        "Content-Length: 4 \t",
        "X-Given:   kept\t ",
        body=b"body",
    )

    assert answer.split(b"\r\n")[0] == b"HTTP/1.1 201 Created"
    assert (upstream.received["body"], upstream.received["headers"]["x-given"]) == ("body", "kept")


@pytest.mark.parametrize("target", ["/v1/data/echo/\xe9", "/v1/data/echo/x?q=\xe9"])
async def test_bytes_outside_ascii_in_the_target_are_refused(gateway: str, admin: dict[str, str], target: str) -> None:
    answer = await raw_request(
        gateway, f"GET {target} HTTP/1.1", "Host: localhost", f"Authorization: {admin['Authorization']}"
    )

    assert answer.split(b"\r\n")[0] == b"HTTP/1.1 400 Bad Request"


@pytest.mark.parametrize("path", ["/v1/me/", "/v1/sessions/", "/v1/status/"])
async def test_no_address_is_made_of_the_host_header(gateway: str, admin: dict[str, str], path: str) -> None:
    answer = await raw_request(
        gateway, f"GET {path} HTTP/1.1", "Host: evil.example", f"Authorization: {admin['Authorization']}"
    )

    assert answer.split(b"\r\n")[0] == b"HTTP/1.1 404 Not Found"
    assert b"evil.example" not in answer


async def test_many_slow_bodies_delay_nobody_else(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    async def begin() -> asyncio.StreamWriter:
        _, writer = await asyncio.open_connection("127.0.0.1", int(gateway.rpartition(":")[2]))
        head = f"Authorization: {admin['Authorization']}\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
        writer.write(f"POST /v1/data/products HTTP/1.1\r\n{head}x".encode())
        await writer.drain()
        return writer

    writers = [await begin() for _ in range(320)]
    await asyncio.sleep(0.5)
    async with asyncio.timeout(20):
        async with http.get(f"{gateway}/v1/data/echo/x", headers=admin) as response:
            assert response.status == 200
        async with http.get(f"{gateway}/v1/status") as response:
            assert (await response.json())["services"]["dataflow-service"]["status"] == "ok"
    for writer in writers:
        writer.close()


async def test_long_bodies_of_one_principal_are_limited(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 2)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            response = await stack.enter_async_context(http.get(f"{gateway}/v1/data/stream", headers=admin))
            assert response.status == 200
        async with http.get(f"{gateway}/v1/data/stream", headers=admin) as response:
            refused = response.status, await response.json(content_type=None)
        async with http.get(f"{gateway}/v1/data/echo/x", headers=admin) as response:
            assert response.status == 200

    assert refused == (
        429,
        {
            "type": "urn:nexus:problem:too-many-streams",
            "title": "Too many streams at once",
            "status": 429,
            "detail": "You have 2 long uploads or downloads on their way. Wait until one of them has ended.",
        },
    )


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
    "detail": "At most 1000 bytes are accepted here. Send the content in parts.",
    "limit": 1000,
}


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The route table with tight limits; must be asked for before `gateway`."""

    def tight(settings: Settings) -> tuple[Route, ...]:
        return tuple(replace(route, timeout=0.3, body_limit=1000) for route in routes(settings))

    monkeypatch.setattr(route_table, "routes", tight)


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
                    "detail": "dataflow-service did not answer in time. Try again later. "
                    "/v1/status shows the state of each service.",
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
                "Try again in a few seconds. /v1/status shows the state of each service.",
                "service": "classification-service",
            },
        )


@pytest.mark.parametrize(
    "path",
    [
        "/v1/data/../admin",
        "/v1/data/%2e%2e/x",
        "/v1/data/a/%2E/b",
        "/v1/d%61ta/x",
        "/v1/data/..%5cx",
        "/v1/data/product%2F1",
        "/v1/data/a%2f..%2fb",
        "/v1/data/..",
    ],
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
                "detail": f"Found '{path}'. Write /v1/data/ without percent escapes, "
                "and no '.', '..', backslash or encoded slash in the rest.",
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
