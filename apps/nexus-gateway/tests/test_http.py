"""What holds for every operation of the gateway."""

from inspect import iscoroutinefunction

import aiohttp
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from nexus_gateway.app import create_app

ANYBODY = ["/livez", "/readyz", "/health", "/v1/status", "/.well-known/jwks.json", "/openapi.json"]


@pytest.mark.parametrize("path", [*ANYBODY, "/v1/me", "/v1/sessions/current"])
async def test_head_is_answered_as_get_is_without_a_body(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], path: str
) -> None:
    async with http.head(f"{gateway}{path}", headers=admin) as response:
        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/v1/sessions/current", "DELETE, GET, HEAD"),
        ("DELETE", "/v1/me", "GET, HEAD"),
        ("GET", "/v1/tokens", "POST"),
        ("PUT", "/oauth/token", "POST"),
    ],
)
async def test_allow_names_all_methods_of_the_path(
    gateway: str, http: aiohttp.ClientSession, method: str, path: str, allow: str
) -> None:
    async with http.request(method, f"{gateway}{path}") as response:
        body = await response.json(content_type=None)

    assert (response.status, response.headers["Allow"]) == (405, allow)
    assert body["detail"] == f"{method} is not allowed here. Use {allow}."


@pytest.mark.parametrize("path", ["/v1/me?x=1", "/v1/status?filter=", "/v1/sessions/current?limit=1"])
async def test_unknown_query_parameters_are_refused(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], path: str
) -> None:
    async with http.get(f"{gateway}{path}", headers=admin) as response:
        assert (response.status, (await response.json(content_type=None))["type"]) == (
            400,
            "urn:nexus:problem:unknown-parameter",
        )


async def test_a_repeated_query_parameter_is_refused(gateway: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{gateway}/oauth/revocations?after=0-0&after=0-1") as response:
        assert (response.status, (await response.json(content_type=None))["type"]) == (
            400,
            "urn:nexus:problem:repeated-parameter",
        )


@pytest.mark.parametrize(
    "headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Content-Encoding": "gzip"}]
)
async def test_a_body_that_is_not_plain_json_is_of_an_unsupported_type(
    gateway: str, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    skipped = ["Content-Type"]
    async with http.post(f"{gateway}/v1/sessions", data=b"{}", headers=headers, skip_auto_headers=skipped) as response:
        assert (response.status, (await response.json(content_type=None))["type"]) == (
            415,
            "urn:nexus:problem:unsupported-media-type",
        )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"username":"admin","username":"x","password":"y"}', 422),
        (b'{"username":"admin","password":1}', 422),
        (b'{"username":"admin","password":"y","more":1}', 422),
        (b'{"username":"admin","password":NaN}', 422),
        (b'\xef\xbb\xbf{"username":"admin","password":"y"}', 422),
    ],
)
async def test_bodies_are_read_strictly(gateway: str, http: aiohttp.ClientSession, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    async with http.post(f"{gateway}/v1/sessions", data=body, headers=headers) as response:
        assert response.status == status


@pytest.mark.usefixtures("environment")
def test_no_dependency_runs_in_a_thread() -> None:
    """FastAPI runs each plain function in a thread of its own, which costs more than the rest of a request."""
    routes = [route for route in create_app().routes if isinstance(route, APIRoute)]
    plain = [call for route in routes for call in calls(route.dependant) if not iscoroutinefunction(call)]

    assert len(routes) > 10
    assert plain == []


def calls(dependant: Dependant) -> list[object]:
    return [dependant.call, *(call for below in dependant.dependencies for call in calls(below))]
