"""Rows whose ids callers choose: text, or a UUID that the database makes where none is sent."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from answers import invalid, problem
from conftest import MakeSettings, serving_models
from yarl import URL

UUID_ID = "6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11"
FIXED = "identifies the row and cannot be changed; leave it out"
WORDS = "audit, bulk, changes, count, export, imports, migrations, models, nodes, query, transactions, upsert"
NO_SEGMENT = "should have 1 to 255 characters without a slash, and be neither . nor .."


@pytest.fixture
async def countries(
    make_settings: MakeSettings,
    token: str,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the models of the package own_ids."""
    async with serving_models(make_settings(models="own_ids"), token) as session:
        yield session


async def _rows(client: aiohttp.ClientSession, path: str = "country") -> list[Any]:
    items = (await (await client.get(f"/v1/{path}?fields=id,name,area")).json())["items"]
    return [tuple(item.values()) for item in items]


async def test_a_row_is_created_read_changed_and_deleted_by_the_text_that_was_sent(
    countries: aiohttp.ClientSession,
) -> None:
    created = await countries.post("/v1/country", json={"id": "Côte d'Ivoire #1", "name": "Ivory Coast"})
    row = await created.json()
    assert (created.status, created.headers["Location"]) == (201, "country/C%C3%B4te%20d%27Ivoire%20%231")
    path = f"/v1/{created.headers['Location']}"
    assert await (await countries.get(URL(path, encoded=True))).json() == row
    changed = await countries.patch(URL(path, encoded=True), json={"area": 322462})
    assert ((await changed.json())["id"], changed.headers["ETag"]) == ("Côte d'Ivoire #1", '"2"')
    assert await _rows(countries) == [("Côte d'Ivoire #1", "Ivory Coast", 322462)]
    assert (await countries.delete(URL(path, encoded=True))).status == 204
    assert await _rows(countries) == []


async def test_a_text_id_must_be_sent_and_a_taken_one_is_named(countries: aiohttp.ClientSession) -> None:
    response = await countries.post("/v1/country", json={"name": "Chad"})
    assert await problem(response) == invalid(("/body/id", "is missing"))
    assert (await countries.post("/v1/country", json={"id": "td", "name": "Chad"})).status == 201
    response = await countries.post("/v1/country", json={"id": "td", "name": "Other"})
    taken = await problem(response)
    assert (taken["status"], taken["type"], taken["fields"]) == (409, "urn:nexus:problem:not-unique", ["id"])
    response = await countries.post("/v1/country/bulk", json=[{"id": "ne", "name": "N"}, {"id": "td", "name": "O"}])
    assert (await problem(response))["errors"] == [
        {
            "pointer": "/body/1/id",
            "detail": "Another country has the same id. Send another value, or change the row that has it.",
        }
    ]
    assert await _rows(countries) == [("td", "Chad", None)]


@pytest.mark.parametrize(
    ("row_id", "fault"),
    [
        *((word, f"should be none of the words {WORDS}, which addresses use") for word in WORDS.split(", ")),
        *((text, NO_SEGMENT) for text in ("", ".", "..", "a/b")),
        ("a" * 21, "String should have at most 20 characters"),
        (7, "Input should be a valid string"),
        (None, "Input should be a valid string"),
    ],
)
async def test_an_id_that_addresses_cannot_have_is_refused(
    countries: aiohttp.ClientSession, row_id: object, fault: str
) -> None:
    response = await countries.post("/v1/country", json={"id": row_id, "name": "x"})
    assert await problem(response) == invalid(("/body/id", fault))
    if row_id in {"count", "export"}:
        response = await countries.put(f"/v1/country/{row_id}", json={"name": "x"})
        assert await problem(response) == invalid(("/body/id", fault))


async def test_an_id_is_never_changed(countries: aiohttp.ClientSession) -> None:
    await countries.post("/v1/country", json={"id": "td", "name": "Chad"})
    response = await countries.patch("/v1/country/td", json={"id": "ne"})
    assert await problem(response) == invalid(("/body/id", FIXED))
    response = await countries.put("/v1/country/td", json={"id": "ne", "name": "Niger"})
    assert await problem(response) == invalid(("/body/id", "should be the id in the address, or left out"))
    node = {"parameters": {"id": "td", "fields": {"id": "ne"}}}
    response = await countries.post("/v1/nodes/CountryUpdateNode/execute", json=node)
    assert await problem(response) == invalid(("/body/parameters/fields/id", FIXED))
    upsert = "/v1/country/bulk?operation=upsert&on=name"
    answer = await (await countries.post(upsert, json=[{"id": "xx", "name": "Chad", "area": 1}])).json()
    assert answer == {"created": 0, "updated": 1, "ids": ["td"]}
    assert await _rows(countries) == [("td", "Chad", 1)]


async def test_put_creates_a_row_that_is_missing_and_replaces_one_that_is_there(
    countries: aiohttp.ClientSession,
) -> None:
    created = await countries.put("/v1/country/td", json={"name": "Chad", "area": 1})
    assert (created.status, created.headers["Location"], created.headers["ETag"]) == (201, "country/td", '"1"')
    replaced = await countries.put("/v1/country/td", json={"id": "td", "name": "Tchad"})
    assert (replaced.status, "Location" in replaced.headers, replaced.headers["ETag"]) == (200, False, '"2"')
    assert await _rows(countries) == [("td", "Tchad", None)]
    missing = await countries.put("/v1/country/ne", json={"name": "Niger"}, headers={"If-Match": '"1"'})
    assert missing.status == 404
    changed = await countries.put("/v1/country/td", json={"name": "x"}, headers={"If-Match": '"1"'})
    assert changed.status == 412
    changes = (await (await countries.get("/v1/changes")).json())["items"]
    assert [(change["op"], change["id"]) for change in changes] == [("create", "td"), ("update", "td")]


async def test_many_rows_are_created_and_upserted_by_their_ids(countries: aiohttp.ClientSession) -> None:
    rows = [{"id": "td", "name": "Chad"}, {"id": "ne", "name": "Niger"}]
    assert await (await countries.post("/v1/country/bulk", json=rows)).json() == {"created": 2, "ids": ["td", "ne"]}
    upsert = "/v1/country/bulk?operation=upsert&on=id"
    rows = [{"id": "ne", "name": "Niger", "area": 2}, {"id": "ml", "name": "Mali", "area": 3}]
    answer = await (await countries.post(upsert, json=rows)).json()
    assert answer == {"created": 1, "updated": 1, "ids": ["ne", "ml"]}
    text = "id,name,area\nml,Mali,4\nbf,Burkina,5\n"
    response = await countries.post(upsert, data=text.encode(), headers={"Content-Type": "text/csv"})
    assert await response.json() == {"created": 1, "updated": 1}
    assert await _rows(countries) == [
        ("bf", "Burkina", 5),
        ("ml", "Mali", 4),
        ("ne", "Niger", 2),
        ("td", "Chad", None),
    ]


async def test_nodes_take_the_id_of_a_new_row(countries: aiohttp.ClientSession) -> None:
    async def run(operation: str, parameters: object) -> Any:  # noqa: ANN401 - any JSON
        path = f"/v1/nodes/Country{operation}Node/execute"
        return await (await countries.post(path, json={"parameters": parameters})).json(content_type=None)

    row = await run("Create", {"id": "td", "name": "Chad"})
    assert row == await (await countries.get("/v1/country/td")).json()
    upserted = await run("Upsert", {"where": {"id": "td"}, "create": {"name": "x"}, "update": {"area": 9}})
    assert (upserted["created"], upserted["record"]["area"]) == (False, 9)
    data = [{"id": "td", "name": "Tchad"}, {"id": "ne", "name": "Niger"}]
    assert await run("BulkUpsert", {"data": data, "conflict_on": ["id"]}) == {
        "created": 1,
        "updated": 1,
        "ids": ["td", "ne"],
    }
    nodes = (await (await countries.get("/v1/nodes")).json())["items"]
    parameters = {node["node"]: node["parameters"] for node in nodes}
    assert parameters["CountryCreateNode"]["id"] == {"type": "str", "required": False}
    assert await _rows(countries) == [("ne", "Niger", None), ("td", "Tchad", 9)]


async def test_a_uuid_is_made_unless_one_is_sent(countries: aiohttp.ClientSession) -> None:
    row = await (await countries.post("/v1/delivery", json={"id": UUID_ID, "note": "a"})).json()
    made = await (await countries.post("/v1/delivery", json={"note": "b"})).json()
    assert (row["id"], UUID(made["id"]).version) == (UUID_ID, 4)
    bulk = await (await countries.post("/v1/delivery/bulk", json=[{}, {"id": UUID_ID.replace("6f", "7f")}])).json()
    assert (UUID(bulk["ids"][0]).version, bulk["ids"][1]) == (4, UUID_ID.replace("6f", "7f"))
    response = await countries.post("/v1/delivery", json={"id": None})
    assert await problem(response) == invalid(("/body/id", "Input should be an instance of UUID"))
    response = await countries.post("/v1/delivery/bulk?operation=upsert&on=id", json=[{"note": "x"}])
    assert await problem(response) == invalid(("/body/0/id", "should have a value: it identifies the row"))


async def test_the_schemas_have_the_id_of_new_rows_and_not_of_changes(countries: aiohttp.ClientSession) -> None:
    country = await (await countries.get("/v1/models/Country")).json()
    delivery = await (await countries.get("/v1/models/Delivery")).json()
    assert (country["fields"][0]["required"], country["fields"][0]["read_only"]) == (True, False)
    assert (delivery["fields"][0]["required"], delivery["fields"][0]["read_only"]) == (False, False)
    assert country["schema"]["required"] == ["id", "name"]
    assert country["schema"]["properties"]["id"] == {
        "maxLength": 20,
        "minLength": 1,
        "not": {"enum": [".", "..", *WORDS.split(", ")]},
        "title": "Id",
        "type": "string",
    }
    assert delivery["schema"]["properties"]["id"] == {"format": "uuid", "title": "Id", "type": "string"}
    document = await (await countries.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    put = document["paths"]["/v1/country/{row_id}"]["put"]
    assert put["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/CountryReplacement")
    assert (schemas["CountryValues"]["required"], schemas["CountryReplacement"]["required"]) == (
        ["id", "name"],
        ["name"],
    )
    assert "id" not in schemas["CountryChange"]["properties"]
    assert sorted(put["responses"]) == ["200", "201", "default"]
