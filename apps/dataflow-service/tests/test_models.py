from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from conftest import MakeSettings

from dataflow_service.app import create_app
from dataflow_service.catalogue import service as catalogue_service
from nexus_chassis.errors import ConfigurationError
from nexus_testkit import serving

NODES = [
    "ProductCreateNode",
    "ProductReadNode",
    "ProductListNode",
    "ProductCountNode",
    "ProductUpdateNode",
    "ProductDeleteNode",
    "ProductUpsertNode",
    "ProductBulkCreateNode",
    "ProductBulkUpdateNode",
    "ProductBulkDeleteNode",
    "ProductBulkUpsertNode",
]
FIELDS = [
    ("id", "bigint", False, False, True),
    ("name", "text", True, False, False),
    ("description", "text", False, True, False),
    ("sku", "text", False, True, False),
    ("supplier", "text", False, True, False),
    ("unspsc_code", "text", False, True, False),
    ("etim_class", "text", False, True, False),
    ("attributes", "jsonb", False, False, False),
    ("created_at", "timestamptz", False, False, True),
    ("updated_at", "timestamptz", False, False, True),
]
SUMMARY = {
    "model": "Product",
    "summary": "One product of a catalogue.",
    "table": "products",
    "rows": "/v1/product",
    "fields": [field[0] for field in FIELDS],
    "nodes": NODES,
}


async def test_the_models_are_listed(client: aiohttp.ClientSession) -> None:
    assert await (await client.get("/v1/models")).json() == {"items": [SUMMARY]}


async def test_a_model_tells_its_fields_indexes_and_json_schema(client: aiohttp.ClientSession) -> None:
    description = await (await client.get("/v1/models/Product")).json()
    schema = description.pop("schema")
    names = ("name", "type", "required", "nullable", "read_only")
    assert description == {
        **SUMMARY,
        "fields": [dict(zip(names, field, strict=True)) for field in FIELDS],
        "indexes": [{"name": "products_sku_key", "fields": ["sku"], "unique": True}],
    }
    assert (schema["required"], schema["additionalProperties"]) == (["name"], False)
    assert schema["properties"]["name"] == {"maxLength": 1000, "minLength": 1, "title": "Name", "type": "string"}


async def test_the_eleven_nodes_that_kailash_generated_are_listed(client: aiohttp.ClientSession) -> None:
    items = (await (await client.get("/v1/nodes")).json())["items"]
    assert [(item["node"], item["model"]) for item in items] == [(node, "Product") for node in NODES]
    assert [item["operation"] for item in items] == [
        *("create", "read", "list", "count", "update", "delete", "upsert"),
        *("bulk_create", "bulk_update", "bulk_delete", "bulk_upsert"),
    ]
    assert items[0]["parameters"]["name"] == {"type": "str", "required": True}
    assert not [item["node"] for item in items if "database_url" in item["parameters"]]


async def test_the_table_has_the_columns_of_the_model(service: str, database: asyncpg.Connection) -> None:
    columns = await database.fetch(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name = 'products' ORDER BY ordinal_position"
    )
    named = {"timestamp with time zone": "timestamptz"}
    assert [(name, named.get(kind, kind), nullable == "YES") for name, kind, nullable in columns] == [
        (name, kind, nullable) for name, kind, _, nullable, _ in FIELDS
    ], service


@pytest.fixture
def _models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent / "fixtures")


TABLE = """
CREATE TABLE instrument_readings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "text" text NOT NULL, flag boolean NOT NULL, whole bigint NOT NULL,
    "real" double precision NOT NULL, exact numeric NOT NULL, moment timestamptz NOT NULL, day date NOT NULL,
    key uuid NOT NULL, document jsonb NOT NULL, maybe bigint, also double precision,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
)
"""
READING: dict[str, Any] = {
    "text": "x",
    "flag": True,
    "whole": 2**62,
    "real": 0.1,
    "exact": "12345678901234567890.0123456789",
    "moment": "2026-02-03T04:05:06.123456+02:00",
    "day": "2026-02-03",
    "key": "6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11",
    "document": {"a": [1]},
    "maybe": None,
}


@pytest.fixture
async def other_models(
    make_settings: MakeSettings, database: asyncpg.Connection, token: str, _models: None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the models of another package."""
    await database.execute(TABLE)
    app = create_app(make_settings(models="every_type"))
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(app) as url, aiohttp.ClientSession(url, headers=headers) as session:
        yield session
    await database.execute("DROP TABLE instrument_readings")


async def test_models_of_another_package_are_served_with_every_type(other_models: aiohttp.ClientSession) -> None:
    assert [item["model"] for item in (await (await other_models.get("/v1/models")).json())["items"]] == ["Reading"]
    row = await (await other_models.post("/v1/reading", json=READING)).json()
    expected = {**READING, "moment": "2026-02-03T02:05:06.123456Z", "also": 0.5}
    assert {name: row[name] for name in expected} == expected
    bulk = await (await other_models.post("/v1/reading/bulk", json=[READING, READING])).json()
    second = await (await other_models.get(f"/v1/reading/{bulk['ids'][1]}")).json()
    assert {name: second[name] for name in expected} == expected
    assert await (await other_models.get("/v1/reading/count")).json() == {"count": 3}
    pages = await (await other_models.get(f"/v1/reading?after={min(row['id'], *bulk['ids'])}")).json()
    assert len(pages["items"]) == 2


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("whole", 2**63, "is outside the range of a 64 bit integer, -9223372036854775808 to 9223372036854775807"),
        ("maybe", 2**63, "is outside the range of a 64 bit integer, -9223372036854775808 to 9223372036854775807"),
        ("whole", "1", "Input should be a valid integer"),
        ("flag", "yes", "Input should be a valid boolean"),
        ("key", "x", "Input should be a valid UUID, invalid character: found `x` at 0"),
        (
            "day",
            "2026-02-30",
            "Input should be a valid date in the format YYYY-MM-DD, day value is outside expected range",
        ),
    ],
)
async def test_values_of_the_wrong_type_are_refused(
    other_models: aiohttp.ClientSession, field: str, value: object, fault: str
) -> None:
    response = await other_models.post("/v1/reading", json={**READING, field: value})
    problem = await response.json(content_type=None)
    assert (response.status, problem["errors"]) == (422, [{"pointer": f"/body/{field}", "detail": fault}])


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (
            "unknown_type",
            (
                "The field Shape.corner is annotated <class 'complex'>, for which no column type is known. Use one of "
                "str, bool, int, float, Decimal, datetime, date, UUID, dict, optionally with '| None'."
            ),
        ),
        (
            "lacks_fields",
            "The model Note lacks created_at, updated_at. Each model has id, created_at and updated_at.",
        ),
        ("hides_a_path", "The model Nodes would hide /v1/nodes. Rename the class."),
        (
            "no_models",
            "The package 'no_models' has no model. Put a file with a class decorated by @db.model into it.",
        ),
        (
            "not_there",
            (
                "The models in 'not_there' cannot be imported: No module named 'not_there'. "
                "Set DATAFLOW_MODELS to an installed package."
            ),
        ),
    ],
)
@pytest.mark.usefixtures("_models")
def test_models_that_cannot_be_served_stop_the_start(package: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        catalogue_service.load(package)
    assert str(caught.value) == message
