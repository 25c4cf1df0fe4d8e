"""GET /openapi.json describes the rows of each model."""

from typing import Any

import aiohttp
import pytest

IMPORTS = {"/imports/{import_id}", "/imports/{import_id}/parts/{part}"}
ROWS = {"", "/bulk", "/count", "/export", "/query", "/upsert", "/{row_id}", *IMPORTS}


@pytest.fixture
async def document(service: str) -> dict[str, Any]:
    """The document of a running service."""
    async with aiohttp.ClientSession(service) as session:
        found: dict[str, Any] = await (await session.get("/openapi.json")).json()
        return found


def test_the_operations_on_rows_are_those_of_the_models(document: dict[str, Any]) -> None:
    rows = {path.removeprefix("/v1/product") for path in document["paths"] if path.startswith("/v1/product")}
    assert rows == ROWS
    assert not [path for path in document["paths"] if "{path}" in path]


def test_bodies_and_answers_have_the_fields_of_the_model(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    create = document["paths"]["/v1/product"]["post"]
    assert create["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ProductValues"
    }
    assert create["responses"]["201"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Product"
    }
    change = document["paths"]["/v1/product/{row_id}"]["patch"]
    assert change["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ProductChange"
    }
    listing = document["paths"]["/v1/product"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert listing == {"$ref": "#/components/schemas/ProductPage"}
    assert schemas["ProductValues"]["required"] == ["name"]
    assert schemas["ProductValues"]["additionalProperties"] is False
    assert "required" not in schemas["ProductChange"]
    assert schemas["Product"]["properties"]["id"] == {"type": "integer", "format": "int64"}
    assert schemas["Product"]["properties"]["sku"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert list(schemas["Product"]["properties"]) == schemas["Product"]["required"]


def test_a_change_names_a_field(document: dict[str, Any]) -> None:
    assert document["components"]["schemas"]["ProductChange"]["minProperties"] == 1


def test_the_names_of_models_and_nodes_are_listed(document: dict[str, Any]) -> None:
    schemas, paths = document["components"]["schemas"], document["paths"]
    (name,) = paths["/v1/models/{name}"]["get"]["parameters"]
    transaction = paths["/v1/transactions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    operation = transaction["properties"]["operations"]["items"]
    assert (len(schemas["ModelName"]["enum"]), schemas["ModelName"]["enum"][0]) == (7, "Attribute")
    assert (len(schemas["NodeName"]["enum"]), schemas["NodeName"]["enum"][0]) == (77, "AttributeCreateNode")
    assert name["schema"] == {"$ref": "#/components/schemas/ModelName"}
    assert operation["properties"]["node"] == {"$ref": "#/components/schemas/NodeName"}


def test_each_status_of_success_is_there(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert list(paths["/v1/product/bulk"]["post"]["responses"]) == ["201", "200", "default"]
    assert list(paths["/v1/product/{row_id}"]["get"]["responses"]) == ["200", "304", "default"]


def test_only_a_row_whose_id_callers_choose_is_created_by_put(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert list(paths["/v1/product/{row_id}"]["put"]["responses"]) == ["200", "default"]
    assert list(paths["/v1/supplier/{row_id}"]["put"]["responses"]) == ["200", "201", "default"]
    assert "201" in paths["/v1/product/imports/{import_id}/parts/{part}"]["put"]["responses"]


def test_a_query_has_no_parts_but_those_that_are_listed(document: dict[str, Any]) -> None:
    (content,) = document["paths"]["/v1/product/query"]["post"]["requestBody"]["content"].values()
    assert content["schema"]["additionalProperties"] is False
    assert content["schema"]["properties"]["aggregates"]["propertyNames"] == {
        "enum": ["count", "sum", "min", "max", "avg"]
    }


def test_references_and_ids_of_operations_are_sound(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    references = set(_references(document))
    assert references <= {f"#/components/schemas/{name}" for name in schemas}
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))
    assert "product_row_create" in ids


def _references(node: object) -> list[str]:
    match node:
        case {"$ref": str(reference)}:
            return [reference]
        case dict():
            return [found for value in node.values() for found in _references(value)]
        case list():
            return [found for value in node for found in _references(value)]
    return []
