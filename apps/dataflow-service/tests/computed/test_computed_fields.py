"""Fields that PostgreSQL computes of the others of their row."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from answers import invalid, problem
from conftest import MakeSettings, serving_models
from positions import COMPUTED, SENT

from dataflow_service.registry import loader
from nexus_chassis.errors import ConfigurationError

NEVER_SENT = "is computed from other fields; leave it out"


@pytest.fixture
async def positions(
    make_settings: MakeSettings,
    token: str,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the model of the package computed_fields."""
    async with serving_models(make_settings(models="computed_fields"), token) as session:
        yield session


async def _create(client: aiohttp.ClientSession, **row: object) -> Any:  # noqa: ANN401 - any JSON
    response = await client.post("/v1/orderposition", json={**SENT, **row})
    assert response.status == 201, await response.text()
    return await response.json()


async def test_the_values_are_computed_whichever_way_a_row_is_written(positions: aiohttp.ClientSession) -> None:
    row = await _create(positions)
    assert {name: row[name] for name in COMPUTED} == COMPUTED
    changed = await (await positions.patch("/v1/orderposition/1", json={"quantity": 11})).json()
    assert (changed["label"], changed["total"], changed["kind"]) == ("b-8 x 11", "1.10", "large")
    put = {"code": "c", "price": "2"}
    replaced = await (await positions.put("/v1/orderposition/1", json=put)).json()
    assert [replaced[name] for name in COMPUTED] == ["c x 1", "2", "100.0000000000000000", None, ["c", "C"], "small"]
    upserted = await (await positions.post("/v1/orderposition/upsert?on=code", json={**put, "quantity": 2})).json()
    assert (upserted["id"], upserted["label"], upserted["total"]) == (1, "c x 2", "4")
    rows = [{"code": "c", "price": "3"}, {"code": "d", "price": "4"}]
    bulk = await positions.post("/v1/orderposition/bulk?operation=upsert&on=code", json=rows)
    assert (await bulk.json())["updated"] == 1
    await positions.post("/v1/orderposition/bulk?operation=update", json=[{"id": 1, "quantity": 5}])
    nodes = {"OrderPositionBulkUpdateNode": {"filter": {"code": "d"}, "fields": {"quantity": 20}}}
    for node, parameters in nodes.items():
        assert (await positions.post(f"/v1/nodes/{node}/execute", json={"parameters": parameters})).status == 200
    listed = (await (await positions.get("/v1/orderposition?fields=label,total,kind")).json())["items"]
    assert [tuple(item.values()) for item in listed] == [("c x 5", "15", "small"), ("d x 20", "80", "large")]


async def test_the_same_row_has_the_same_bytes_everywhere(positions: aiohttp.ClientSession) -> None:
    row = await _create(positions)
    read = await (await positions.get("/v1/orderposition/1")).read()
    assert json.loads(read) == row
    node = await positions.post("/v1/nodes/OrderPositionReadNode/execute", json={"parameters": {"id": 1}})
    assert await node.read() == read
    assert await (await positions.get("/v1/orderposition")).read() == b'{"items":[%b],"next":null}' % read
    assert await (await positions.get("/v1/orderposition/export")).read() == read + b"\n"
    assert b'"row":%b}' % read in await (await positions.get("/v1/changes")).read()
    listed = await (await positions.get("/v1/orderposition/export?format=csv&fields=label,total,kind")).text()
    assert listed == '"label","total","kind"\r\n"b-8 x 3","0.30","small"\r\n'
    page = await (await positions.get("/pages/models/OrderPosition/rows")).text()
    assert ">b-8 x 3<" in page
    assert (await positions.delete("/v1/orderposition/1")).status == 204
    restored = await (await positions.post("/v1/orderposition/1/restore")).json()
    assert restored == {**row, "updated_at": restored["updated_at"]}


async def test_rows_are_found_ordered_and_summed_by_them(positions: aiohttp.ClientSession) -> None:
    for number in (2, 12, 20):
        await _create(positions, code=f"n{number}", quantity=number)
    query: dict[str, Any] = {"filter": {"kind": "large", "total": {"$gt": "1.2"}}, "order": "-label", "fields": "label"}
    found = await (await positions.post("/v1/orderposition/query", json=query)).json()
    assert found["items"] == [{"label": "n20 x 20"}]
    query = {"filter": {"size.d": 1.5}, "order": "-total", "fields": "total", "limit": 2}
    first = await (await positions.post("/v1/orderposition/query", json=query)).json()
    second = await (await positions.post("/v1/orderposition/query", json={**query, "after": first["next"]})).json()
    assert [row["total"] for row in first["items"] + second["items"]] == ["2.00", "1.20", "0.20"]
    query = {"aggregates": {"sum": ["total"]}, "group_by": ["kind"]}
    groups = await (await positions.post("/v1/orderposition/query", json=query)).json()
    assert [(group["group"]["kind"], group["sum"]["total"]) for group in groups["items"]] == [
        ("large", "3.20"),
        ("small", "0.20"),
    ]


async def test_they_are_refused_in_every_body_with_their_pointer(positions: aiohttp.ClientSession) -> None:
    await _create(positions)
    row = {**SENT, "label": "mine"}
    fault = invalid(("/body/label", NEVER_SENT))
    assert await problem(await positions.post("/v1/orderposition", json=row)) == fault
    assert await problem(await positions.put("/v1/orderposition/1", json=row)) == fault
    assert await problem(await positions.patch("/v1/orderposition/1", json={"label": "mine"})) == fault
    assert await problem(await positions.post("/v1/orderposition/upsert?on=code", json=row)) == fault
    of_bulk = invalid(("/body/0/label", NEVER_SENT))
    assert await problem(await positions.post("/v1/orderposition/bulk", json=[row])) == of_bulk
    lines = await positions.post(
        "/v1/orderposition/bulk", data=json.dumps(row), headers={"Content-Type": "application/x-ndjson"}
    )
    assert (await problem(lines))["errors"] == [{"pointer": "/body/0/label", "detail": NEVER_SENT, "line": 1}]
    table = await positions.post("/v1/orderposition/bulk", data="code,label\nx,y", headers={"Content-Type": "text/csv"})
    assert (await problem(table))["errors"] == [
        {
            "pointer": "/body",
            "detail": "has the column 'label'; the columns may be code, quantity, price, details",
            "line": 1,
        }
    ]
    create = {"node": "OrderPositionBulkCreateNode", "parameters": {"data": [row]}}
    refused = await positions.post("/v1/transactions", json={"operations": [create]})
    assert await problem(refused) == invalid(("/body/operations/0/parameters/data/0/label", NEVER_SENT))
    text = "should have the fields of a unique index of OrderPosition: code"
    refused = await positions.post("/v1/orderposition/upsert?on=label", json=SENT)
    assert await problem(refused) == invalid(("/query/on", text))


async def test_what_cannot_be_computed_or_is_not_unique_is_refused_and_stored_nowhere(
    positions: aiohttp.ClientSession,
) -> None:
    refused = await problem(await positions.post("/v1/orderposition", json={**SENT, "quantity": 0}))
    assert (refused["status"], refused["detail"]) == (
        422,
        "The database refuses the row because of DivisionByZeroError. Send another value.",
    )
    await _create(positions, code="a x 1", quantity=1)
    assert await (await positions.get("/v1/orderposition/count")).json() == {"count": 1}


async def test_they_are_described_as_read_only_and_are_no_part_of_bodies_and_nodes(
    positions: aiohttp.ClientSession,
) -> None:
    described = await (await positions.get("/v1/models/OrderPosition")).json()
    fields = {field["name"]: field for field in described["fields"]}
    assert fields["label"] == {"name": "label", "type": "text", "required": False, "nullable": False, "read_only": True}
    schema = described["schema"]
    assert {name: part for name, part in schema["properties"].items() if "readOnly" in part} == {
        "label": {"type": "string", "readOnly": True},
        "total": {"type": "string", "description": "a decimal number without an exponent", "readOnly": True},
        "share": {
            "anyOf": [{"type": "string", "description": "a decimal number without an exponent"}, {"type": "null"}],
            "readOnly": True,
        },
        "size": {"anyOf": [{"type": ["object", "array"]}, {"type": "null"}], "readOnly": True},
        "codes": {"type": "array", "items": {"type": "string"}, "readOnly": True},
        "kind": {"type": "string", "enum": ["small", "large"], "readOnly": True},
    }
    assert schema["required"] == ["code", "price"]
    document = (await (await positions.get("/openapi.json")).json())["components"]["schemas"]
    assert document["OrderPosition"]["properties"]["label"] == {"type": "string", "readOnly": True}
    for body in ("OrderPositionValues", "OrderPositionChange"):
        assert sorted(document[body]["properties"]) == ["code", "details", "price", "quantity"]
    nodes = (await (await positions.get("/v1/nodes")).json())["items"]
    parameters = {item["operation"]: sorted(item["parameters"]) for item in nodes}
    assert parameters["create"] == ["code", "details", "price", "quantity"]
    assert "label" not in parameters["update"]
    page = await (await positions.get("/pages/models/OrderPosition")).text()
    assert "<code>label</code>" in page


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        ("computes_no_field", "The model Cube computes 'volume', which is no field. Write it like"),
        ("computes_an_id", "The model Coupon computes 'id', which the service sets. Write it like"),
        ("computes_a_default", "The model Parcel computes 'label', which has a default. Write it like"),
        ("computes_nothing", "The model Crate computes 'label', whose expression is no SQL text. Write it like"),
        (
            "misspelt_mark",
            "The model Ticket has soft delete, and its field deleted_at is annotated str | None. Annotate it",
        ),
    ],
)
@pytest.mark.usefixtures("model_packages")
def test_a_declaration_that_cannot_be_served_stops_the_start(package: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loader.load(package)
    assert str(caught.value).startswith(reason)
