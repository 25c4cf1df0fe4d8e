"""The API by the cookie of a signed-in browser."""

import asyncio
import json
from typing import Any

import pytest
from conftest import PASSWORD, sign_in
from page_client import BrowserClient, Page
from redis.asyncio import Redis
from upstream import Upstream

OWN = {"X_Nexus_CSRF": "1"}
BODY = {"audience": "dataflow-service"}


@pytest.fixture
async def signed_in(browser: BrowserClient) -> BrowserClient:
    await browser.sign_in("admin", PASSWORD)
    return browser


async def write(browser: BrowserClient, **headers: str) -> Page:
    return await browser.request(
        "POST", "/v1/tokens", json.dumps(BODY).encode(), Content_Type="application/json", **headers
    )


def problem(page: Page) -> tuple[int, Any]:
    return page.status, json.loads(page.text)["type"].removeprefix("urn:nexus:problem:")


async def test_a_read_needs_the_cookie_alone(signed_in: BrowserClient) -> None:
    page = await signed_in.get("/v1/me")

    assert page.status == 200
    assert json.loads(page.text)["username"] == "admin"


async def test_a_write_needs_the_header_of_own_scripts(signed_in: BrowserClient) -> None:
    refused = await write(signed_in)

    assert problem(refused) == (403, "csrf")
    assert json.loads(refused.text)["detail"] == (
        "The request was not made: the header X-Nexus-CSRF: 1 is missing. Reload the page and try again."
    )
    assert (await write(signed_in, **OWN)).status == 201
    assert (await write(signed_in, **OWN, Origin="http://localhost:8000", Sec_Fetch_Site="same-origin")).status == 201


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "same-site"}, {"X_Nexus_CSRF": "0"}],
)
async def test_a_write_of_another_origin_is_refused(signed_in: BrowserClient, headers: dict[str, str]) -> None:
    assert problem(await write(signed_in, **{**OWN, **headers})) == (403, "csrf")


async def test_a_cookie_counts_at_known_hosts_alone(signed_in: BrowserClient) -> None:
    assert problem(await signed_in.get("/v1/me", Host="evil.example")) == (421, "unknown-host")


async def test_a_token_needs_no_known_host_and_no_header(browser: BrowserClient) -> None:
    _, session = await sign_in(browser.http, browser.url, "admin", PASSWORD)
    token = f"Bearer {session['access_token']}"

    assert (await browser.get("/v1/me", Host="nexus-gateway:8000", Authorization=token)).status == 200
    assert (await write(browser, Authorization=token)).status == 201


@pytest.mark.parametrize("authorization", ["Bearer x", "Basic YTpi", ""])
async def test_a_header_that_is_wrong_is_not_made_good_by_the_cookie(
    signed_in: BrowserClient, authorization: str
) -> None:
    assert problem(await signed_in.get("/v1/me", Authorization=authorization)) == (401, "unauthorized")


@pytest.mark.parametrize("value", ["", "x", "é", "a" * 129, "0" * 43])
async def test_a_cookie_that_was_never_set_is_refused(browser: BrowserClient, value: str) -> None:
    page = await browser.get("/v1/me", Cookie=f"__Host-nexus={value}")

    assert problem(page) == (401, "unauthorized")


async def test_an_ended_session_is_refused_at_once(signed_in: BrowserClient) -> None:
    ended = await signed_in.request("DELETE", "/v1/sessions/current", **OWN)

    assert ended.status == 204
    assert problem(await signed_in.get("/v1/me")) == (401, "unauthorized")
    assert (await signed_in.get("/")).location == "/login"


async def test_changed_roles_count_at_once_and_keep_the_browser_signed_in(
    browser: BrowserClient, admin: dict[str, str]
) -> None:
    new = {"username": "somebody", "password": PASSWORD, "roles": ["viewer"]}
    async with browser.http.post(f"{browser.url}/v1/users", json=new, headers=admin) as response:
        user = (await response.json())["id"]
    await browser.sign_in("somebody", PASSWORD)
    before = json.loads((await browser.get("/v1/me")).text)["scopes"]
    change = {"roles": ["admin"]}
    async with browser.http.patch(f"{browser.url}/v1/users/{user}", json=change, headers=admin) as response:
        assert response.status == 200

    after = json.loads((await browser.get("/v1/me")).text)["scopes"]
    assert ("admin" in before, "admin" in after) == (False, True)


async def test_a_disabled_user_is_signed_out_at_once(browser: BrowserClient, admin: dict[str, str]) -> None:
    new = {"username": "somebody", "password": PASSWORD, "roles": ["viewer"]}
    async with browser.http.post(f"{browser.url}/v1/users", json=new, headers=admin) as response:
        user = (await response.json())["id"]
    await browser.sign_in("somebody", PASSWORD)
    assert (await browser.get("/")).status == 200
    change = {"disabled": True}
    async with browser.http.patch(f"{browser.url}/v1/users/{user}", json=change, headers=admin) as response:
        assert response.status == 200

    assert (await browser.get("/")).location == "/login"
    assert problem(await browser.get("/v1/me")) == (401, "unauthorized")


async def test_the_cookie_is_not_stored(signed_in: BrowserClient, redis_url: str) -> None:
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        keys = [key async for key in redis.scan_iter("*")]
        values = [await redis.get(key) for key in keys if key.startswith("gateway:browser:")]
        seconds = [await redis.ttl(key) for key in keys if key.startswith("gateway:browser:")]

    (cookie,) = signed_in.cookies.values()
    assert len(values) == 1
    assert 1209590 <= seconds[0] <= 1209600
    assert all(cookie not in text for text in [*keys, *map(str, values)])


async def test_later_requests_share_the_access_token_of_the_first(signed_in: BrowserClient) -> None:
    first = json.loads((await signed_in.get("/v1/me")).text)["expires_at"]
    await asyncio.sleep(1.1)  # a token that is issued now expires later
    pages = await asyncio.gather(*(signed_in.get("/v1/me") for _ in range(20)))

    assert {page.status for page in pages} == {200}
    assert {json.loads(page.text)["expires_at"] for page in pages} == {first}


async def test_a_service_receives_a_token_of_its_own_and_never_the_cookie(
    signed_in: BrowserClient, upstream: Upstream
) -> None:
    routed = json.loads((await signed_in.get("/v1/data/echo/x")).text)["headers"]
    page = await signed_in.get("/pages/data/models")

    assert (page.status, page.text) == (200, "<h1>Models</h1>")
    for headers in (routed, upstream.received["headers"]):
        assert headers["authorization"].startswith("Bearer ey")
        assert "cookie" not in headers
