"""GET /openapi.json: the gateway's operations and those of the services, as one document."""

import json
from typing import Any

import aiohttp
import pytest
from faulty import Exchange, FaultyService
from openapi_spec_validator import OpenAPIV31SpecValidator
from upstream import Upstream

from nexus_gateway.app import create_app
from nexus_gateway.openapi import service

PRICING = {
    "openapi": "3.1.0",
    "info": {"title": "pricing", "version": "1"},
    "servers": [{"url": "http://pricing:8003"}],
    "paths": {
        "/v1/prices": {
            "parameters": [{"$ref": "#/components/parameters/Currency"}],
            "get": {
                "operationId": "prices_list",
                "tags": ["prices"],
                "security": [{"own": []}],
                "responses": {
                    "200": {
                        "description": "The prices",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}},
                    },
                    "422": {
                        "description": "Validation Error",
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}
                        },
                    },
                },
            },
            "post": {"responses": {"201": {"description": "Created"}}},
        },
        "/health": {"get": {"operationId": "health", "responses": {"200": {"description": "Well"}}}},
    },
    "components": {
        "schemas": {
            "Page": {
                "title": "Page",
                "type": "object",
                "properties": {"items": {"$ref": "#/components/schemas/Problem"}},
            },
            "Problem": {"type": "string"},
            "HTTPValidationError": {"type": "object"},
        },
        "parameters": {"Currency": {"name": "currency", "in": "query", "schema": {"type": "string"}}},
        "securitySchemes": {"own": {"type": "http", "scheme": "basic"}},
    },
}


def answer(document: object) -> bytes:
    content = json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)


@pytest.fixture
def pricing(faulty: FaultyService, environment: pytest.MonkeyPatch) -> FaultyService:
    """A service of NEXUS_ROUTES called price-list that answers with PRICING; must be asked for before `gateway`."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(answer(PRICING))

    faulty.behave = behave
    environment.setenv("NEXUS_ROUTES", f"price-list={faulty.url}")
    environment.setenv("NEXUS_CLASSIFICATION_URL", "http://127.0.0.1:9")
    return faulty


async def fetch(http: aiohttp.ClientSession, gateway: str) -> dict[str, Any]:
    async with http.get(f"{gateway}/openapi.json") as response:
        assert (response.status, response.content_type) == (200, "application/json")
        return dict(await response.json())


@pytest.mark.usefixtures("pricing")
class TestMergedDocument:
    async def test_it_is_valid(self, gateway: str, http: aiohttp.ClientSession) -> None:
        document = await fetch(http, gateway)

        assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []

    async def test_a_services_operations_have_public_paths_and_names_of_their_own(
        self, gateway: str, http: aiohttp.ClientSession
    ) -> None:
        document = await fetch(http, gateway)
        problem = {"$ref": "#/components/responses/Problem"}
        page = {"application/json": {"schema": {"$ref": "#/components/schemas/PriceListPage"}}}

        assert {path: item for path, item in document["paths"].items() if path.startswith("/v1/price-list")} == {
            "/v1/price-list/prices": {
                "parameters": [{"$ref": "#/components/parameters/PriceListCurrency"}],
                "get": {
                    "operationId": "price_list_prices_list",
                    "tags": ["price-list"],
                    "responses": {"200": {"description": "The prices", "content": page}, "default": problem},
                },
                "post": {
                    "operationId": "price_list_post_v1_prices",
                    "tags": ["price-list"],
                    "responses": {"201": {"description": "Created"}, "default": problem},
                },
            }
        }
        assert {name: schema for name, schema in document["components"]["schemas"].items() if "PriceList" in name} == {
            "PriceListPage": {
                "title": "PriceListPage",
                "type": "object",
                "properties": {"items": {"$ref": "#/components/schemas/PriceListProblem"}},
            },
            "PriceListProblem": {"type": "string"},
        }
        assert document["components"]["parameters"] == {
            "PriceListCurrency": PRICING["components"]["parameters"]["Currency"]
        }

    async def test_it_names_the_server_the_services_and_how_to_authenticate(
        self, gateway: str, http: aiohttp.ClientSession
    ) -> None:
        document = await fetch(http, gateway)
        found = {name: document[name] for name in ("openapi", "servers", "security", "tags", "x-unavailable-services")}

        assert found == {
            "openapi": "3.1.0",
            "servers": [{"url": "http://localhost:8000"}],
            "security": [{"bearer": []}],
            "tags": [
                {"name": "data", "description": "dataflow-service"},
                {"name": "price-list", "description": "price-list"},
            ],
            "x-unavailable-services": ["classification-service", "mcp-server"],
        }
        assert document["components"]["securitySchemes"] == {
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "basic": {"type": "http", "scheme": "basic", "description": "Id and secret of an OAuth client."},
        }

    async def test_operation_ids_are_there_once(self, gateway: str, http: aiohttp.ClientSession) -> None:
        document = await fetch(http, gateway)
        ids = [
            operation["operationId"]
            for item in document["paths"].values()
            for method, operation in item.items()
            if method != "parameters"
        ]

        assert (len(ids) > 15, sorted(ids)) == (True, sorted(set(ids)))


class TestCaching:
    async def test_a_document_that_has_not_changed_is_not_sent_again(
        self, gateway: str, http: aiohttp.ClientSession
    ) -> None:
        async with http.get(f"{gateway}/openapi.json") as response:
            etag = response.headers["ETag"]
        statuses = []
        for tags in (etag, f'"other", W/{etag}', "*", '"other"'):
            async with http.get(f"{gateway}/openapi.json", headers={"If-None-Match": tags}) as response:
                statuses.append((response.status, response.headers["ETag"] == etag))

        assert statuses == [(304, True), (304, True), (304, True), (200, True)]

    async def test_a_service_that_comes_back_is_soon_in_it(
        self, pricing: FaultyService, gateway: str, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "_PARTIAL_SECONDS", 0)
        behave, pricing.behave = pricing.behave, FaultyService().behave
        first = await fetch(http, gateway)
        pricing.behave = behave
        second = await fetch(http, gateway)

        assert "price-list" in first["x-unavailable-services"]
        assert "price-list" not in second["x-unavailable-services"]

    async def test_services_are_asked_once_while_it_is_fresh(
        self, pricing: FaultyService, gateway: str, http: aiohttp.ClientSession
    ) -> None:
        async with http.get(f"{gateway}/openapi.json") as response:
            fresh = response.headers["Cache-Control"]
        await fetch(http, gateway)

        assert (fresh, len(pricing.heads)) == ("public, max-age=5", 1)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(PRICING | {"openapi": "3.0.3"}, id="of another version"),
        pytest.param({"openapi": "3.1.0"}, id="without paths"),
        pytest.param(PRICING | {"paths": [1]}, id="paths that are a list"),
        pytest.param(PRICING | {"paths": {"/v1/x": {"get": 1}}}, id="an operation that is a number"),
        pytest.param(PRICING | {"components": []}, id="components that are a list"),
        pytest.param([PRICING], id="a list"),
        pytest.param("x" * 5_000_000, id="too long"),
    ],
)
async def test_a_service_whose_document_is_unusable_is_left_out(
    pricing: FaultyService, gateway: str, http: aiohttp.ClientSession, document: object
) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(answer(document))

    pricing.behave = behave
    merged = await fetch(http, gateway)

    assert merged["x-unavailable-services"] == ["classification-service", "mcp-server", "price-list"]
    assert [path for path in merged["paths"] if path.startswith("/v1/price-list")] == []


async def test_a_service_that_hangs_is_left_out(
    pricing: FaultyService, gateway: str, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_TIMEOUT_SECONDS", 0.2)

    async def behave(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")

    pricing.behave = behave

    assert "price-list" in (await fetch(http, gateway))["x-unavailable-services"]


async def test_what_needs_a_token_says_so(gateway: str, http: aiohttp.ClientSession) -> None:
    """Without a token, 401 is what the operations answer that need one, and no other."""
    document = await fetch(http, gateway)
    wrong = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            needs = operation.get("security", document["security"]) == [{"bearer": []}]
            url = f"{gateway}{path.replace('{', '').replace('}', '')}"
            async with http.request(method, url) as response:
                challenged = response.headers.get("WWW-Authenticate", "").startswith("Bearer")
                if needs != (response.status == 401 and challenged) and response.status != 415:
                    wrong.append((method, path, response.status))

    assert wrong == []


async def test_each_of_the_gateways_errors_is_a_problem(
    gateway: str, http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    del upstream
    document = await fetch(http, gateway)
    errors: dict[str, set[str]] = {}
    for path, item in document["paths"].items():
        for operation in item.values():
            errors.setdefault(operation["responses"]["default"]["$ref"].rpartition("/")[2], set()).add(path)

    assert errors == {
        "Problem": errors["Problem"],
        "OAuthProblem": {"/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/register"},
    }
    assert {name: list(response["content"]) for name, response in document["components"]["responses"].items()} == {
        "Problem": ["application/problem+json"],
        "OAuthProblem": ["application/problem+json", "application/json"],
    }
    assert "HTTPValidationError" not in document["components"]["schemas"]


@pytest.mark.usefixtures("environment")
def test_operations_have_names_that_make_good_methods() -> None:
    ids = [operation["operationId"] for item in create_app().openapi()["paths"].values() for operation in item.values()]

    assert [name for name in ids if "__" in name or name.endswith(("_get", "_post")) or not name.islower()] == []
