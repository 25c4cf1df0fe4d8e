from typing import Any

import aiohttp
import pytest
from fastapi import APIRouter

from nexus_chassis.app import build_app
from nexus_chassis.health import Health
from nexus_chassis.routing import Router, StrictRoute
from nexus_chassis.settings import ServiceSettings


async def answer(http: aiohttp.ClientSession, method: str, url: str) -> tuple[int, Any]:
    async with http.request(method, url, allow_redirects=False) as response:
        return response.status, await response.json(content_type=None)


def problem(status: int, slug: str, title: str, detail: str, **extra: object) -> tuple[int, dict[str, object]]:
    return status, {"type": f"urn:nexus:problem:{slug}", "title": title, "status": status, "detail": detail, **extra}


def unknown(detail: str) -> tuple[int, dict[str, object]]:
    return problem(400, "unknown-parameter", "A query parameter is unknown", detail)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (200, {"limit": 10, "tag": None})),
        ("?limit=1&tag=a&tag=b", (200, {"limit": 1, "tag": ["a", "b"]})),
        ("?filter=x", unknown("There is no query parameter 'filter'. Known are: limit, tag.")),
        ("?Limit=1", unknown("There is no query parameter 'Limit'. Known are: limit, tag.")),
        ("?dry_run=true&x", unknown("There is no query parameter 'dry_run', 'x'. Known are: limit, tag.")),
        (
            "?limit=1&limit=2",
            problem(
                400,
                "repeated-parameter",
                "A query parameter is repeated",
                "The query parameter 'limit' is given more than once. Give it once.",
            ),
        ),
    ],
)
async def test_query_parameters_are_known_and_given_once(
    service: str, http: aiohttp.ClientSession, query: str, expected: object
) -> None:
    assert await answer(http, "GET", f"{service}/sizes{query}") == expected


async def test_a_route_without_query_parameters_takes_none(service: str, http: aiohttp.ClientSession) -> None:
    expected = unknown("There is no query parameter 'a'. None are known here.")

    assert await answer(http, "GET", f"{service}/odd?a=1") == expected
    assert await answer(http, "GET", f"{service}/livez?a=1") == expected
    assert await answer(http, "GET", f"{service}/greeting?a=1") == expected


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/sizes", "/greeting"])
async def test_head_is_answered_like_get_without_a_body(service: str, http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(f"{service}{path}") as get, http.head(f"{service}{path}") as head:
        assert (head.status, await head.read()) == (get.status, b"")
        assert head.headers["Content-Length"] == get.headers["Content-Length"]
        assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.parametrize(("path", "allowed"), [("/sizes", "GET, HEAD, POST"), ("/bytes", "PUT")])
async def test_allow_names_all_methods_of_the_path(
    service: str, http: aiohttp.ClientSession, path: str, allowed: str
) -> None:
    async with http.patch(f"{service}{path}") as response:
        assert response.headers["Allow"] == allowed
        assert (response.status, await response.json(content_type=None)) == problem(
            405, "method-not-allowed", "This method is not allowed here", f"PATCH is not allowed here. Use {allowed}."
        )


@pytest.mark.parametrize("path", ["/sizes/", "/livez/", "//sizes"])
async def test_no_redirect_is_built(service: str, http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(f"{service}{path}", headers={"Host": "evil.example"}, allow_redirects=False) as response:
        assert (response.status, response.headers.get("Location")) == (404, None)


@pytest.mark.parametrize("number", ["1", "2"], ids=["of the class itself or a subclass", "each time"])
async def test_an_error_of_the_service_becomes_its_problem(
    service: str, http: aiohttp.ClientSession, number: str
) -> None:
    assert await answer(http, "GET", f"{service}/too-odd/{number}") == problem(
        409, "too-odd", "Too odd", f"{number} is too odd."
    )


def test_a_router_that_is_not_strict_is_refused() -> None:
    class Settings(ServiceSettings):
        service_name = "example"

    router = APIRouter()
    router.add_api_route("/loose", lambda: None)

    with pytest.raises(TypeError, match=r"is not of a nexus_chassis\.routing\.Router"):
        build_app(
            Settings(),
            version="0",
            lifespan=None,  # type: ignore[arg-type]
            health=Health("example", "0"),
            routers=[router],  # type: ignore[list-item]
        )


async def test_a_direct_route_answers_its_methods_and_is_in_the_document(
    service: str, http: aiohttp.ClientSession
) -> None:
    _, document = await answer(http, "GET", f"{service}/openapi.json")
    (content,) = document["paths"]["/greeting"]["get"]["responses"]["200"]["content"].values()

    assert await answer(http, "GET", f"{service}/greeting") == (200, "hello")
    assert (await answer(http, "POST", f"{service}/greeting"))[0] == 405
    assert content["schema"]["type"] == "string"


async def test_the_openapi_document_has_one_operation_for_get_and_head(
    service: str, http: aiohttp.ClientSession
) -> None:
    _, document = await answer(http, "GET", f"{service}/openapi.json")

    assert sorted(document["paths"]["/sizes"]) == ["get", "post"]


def test_operations_are_named_after_their_resource_and_verb() -> None:
    router = Router()

    async def list_rows() -> None: ...
    async def sign_in() -> None: ...
    async def _health() -> None: ...
    async def read() -> None: ...

    for endpoint in (list_rows, sign_in, _health, read):
        router.add_api_route(f"/{endpoint.__name__}", endpoint)
    ids = [route.unique_id for route in router.routes if isinstance(route, StrictRoute)]

    assert ids == ["rows_list", "sign_in", "health", "read"]
