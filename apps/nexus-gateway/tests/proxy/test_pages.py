"""Pages of services: /pages/NAME/** goes to the service's /pages/**."""

import aiohttp
import pytest
from conftest import AddUser
from upstream import Upstream

from nexus_chassis.tokens import TokenVerifier

STRICT = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
HTML = {"Accept": "text/html,application/xhtml+xml"}


async def test_a_page_comes_from_the_service_with_a_token_of_its_own(
    gateway: str, http: aiohttp.ClientSession, upstream: Upstream, add_user: AddUser
) -> None:
    headers = await add_user("data:read") | {"Cookie": "a=b"}
    async with http.get(f"{gateway}/pages/data/models/product", headers=headers) as response:
        assert (response.status, await response.text()) == (200, "<h1>Models</h1>")
        assert "Set-Cookie" not in response.headers
    received = upstream.received["headers"]
    token = received["authorization"].removeprefix("Bearer ")
    verifier = TokenVerifier("http://localhost:8000", "dataflow-service", f"{gateway}/.well-known/jwks.json")

    assert upstream.received["path"] == "/pages/models/product"
    assert "cookie" not in received
    assert (await verifier.verify(token)).scopes == {"data:read"}


@pytest.mark.parametrize(("path", "policy"), [("strict", "default-src 'none'"), ("models", STRICT)])
async def test_a_page_without_a_policy_of_its_own_gets_the_strict_one(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], path: str, policy: str
) -> None:
    async with http.get(f"{gateway}/pages/data/{path}", headers=admin) as response:
        found = response.headers.getall("Content-Security-Policy"), response.headers["X-Content-Type-Options"]

    assert found == ([policy], "nosniff")


async def test_a_location_names_the_public_page(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    async with http.get(f"{gateway}/pages/data/moved", headers=admin, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/pages/data/models")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_pages_are_read_only(
    gateway: str, http: aiohttp.ClientSession, upstream: Upstream, admin: dict[str, str], method: str
) -> None:
    async with http.request(method, f"{gateway}/pages/data/models", headers=admin) as response:
        assert (response.status, response.headers["Allow"], upstream.received) == (405, "GET, HEAD", {})


async def test_a_page_needs_a_scope_of_the_service(
    gateway: str, http: aiohttp.ClientSession, add_user: AddUser
) -> None:
    async with http.get(f"{gateway}/pages/data/models", headers=await add_user("classify")) as response:
        assert response.status == 403


async def test_a_browser_without_a_session_goes_to_the_login_page(gateway: str, http: aiohttp.ClientSession) -> None:
    url = f"{gateway}/pages/data/models?after=1%2B1"
    async with http.get(url, headers=HTML, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"], response.headers["Cache-Control"]) == (
            303,
            "/login?next=%2Fpages%2Fdata%2Fmodels%3Fafter%3D1%252B1",
            "no-store",
        )


@pytest.mark.parametrize("headers", [{}, HTML | {"Authorization": "Bearer wrong"}])
async def test_a_program_without_a_token_gets_the_problem(
    gateway: str, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with http.get(f"{gateway}/pages/data/models", headers=headers, allow_redirects=False) as response:
        assert (response.status, response.content_type) == (401, "application/problem+json")


async def test_a_page_of_a_name_that_is_no_service_is_not_there(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    async with http.get(f"{gateway}/pages/other/models", headers=admin) as response:
        assert response.status == 404
