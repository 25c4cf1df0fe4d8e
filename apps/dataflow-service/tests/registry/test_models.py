import aiohttp
import asyncpg
import pytest
from readings import READING

from dataflow_service.registry import loader
from nexus_chassis.errors import ConfigurationError

MODELS = ["Attribute", "Category", "Document", "PriceItem", "PriceList", "Product", "Supplier"]
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
    items = (await (await client.get("/v1/models")).json())["items"]
    assert [item["model"] for item in items] == MODELS
    assert items[MODELS.index("Product")] == SUMMARY


async def test_a_model_tells_its_fields_indexes_and_json_schema(client: aiohttp.ClientSession) -> None:
    description = await (await client.get("/v1/models/Product")).json()
    schema = description.pop("schema")
    names = ("name", "type", "required", "nullable", "read_only")
    assert description == {
        **SUMMARY,
        "fields": [dict(zip(names, field, strict=True)) for field in FIELDS],
        "indexes": [{"name": "products_sku_key", "fields": ["sku"], "unique": True}],
        "relations": [],
        "search": None,
        "multi_tenant": True,
        "soft_delete": False,
    }
    assert (schema["required"], schema["additionalProperties"]) == (["name"], False)
    assert schema["properties"]["name"] == {"maxLength": 1000, "minLength": 1, "title": "Name", "type": "string"}


async def test_the_eleven_nodes_that_kailash_generated_are_listed(client: aiohttp.ClientSession) -> None:
    items = (await (await client.get("/v1/nodes")).json())["items"]
    assert len(items) == len(MODELS) * len(NODES)
    items = [item for item in items if item["model"] == "Product"]
    assert [item["node"] for item in items] == NODES
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
        *((name, kind, nullable) for name, kind, _, nullable, _ in FIELDS),
        ("row_version", "bigint", False),
        ("tenant_id", "text", False),
    ], service


async def test_models_of_another_package_are_served_with_every_type(readings: aiohttp.ClientSession) -> None:
    assert [item["model"] for item in (await (await readings.get("/v1/models")).json())["items"]] == ["Reading"]
    row = await (await readings.post("/v1/reading", json=READING)).json()
    expected = {**READING, "moment": "2026-02-03T02:05:06.123456Z", "also": 0.5}
    assert {name: row[name] for name in expected} == expected
    bulk = await (await readings.post("/v1/reading/bulk", json=[READING, READING])).json()
    second = await (await readings.get(f"/v1/reading/{bulk['ids'][1]}")).json()
    assert {name: second[name] for name in expected} == expected
    assert await (await readings.get("/v1/reading/count")).json() == {"count": 3}
    pages = await (await readings.get(f"/v1/reading?after={min(row['id'], *bulk['ids'])}")).json()
    assert len(pages["items"]) == 2


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("whole", 2**63, "is outside the range of a 64 bit integer, -9223372036854775808 to 9223372036854775807"),
        ("maybe", 2**63, "is outside the range of a 64 bit integer, -9223372036854775808 to 9223372036854775807"),
        ("whole", "1", "Input should be a valid integer"),
        ("flag", "yes", "Input should be a valid boolean"),
        ("key", "x", "should be a UUID, such as 6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11"),
        ("day", "2026-02-30", "is no date that exists: day is out of range for month"),
    ],
)
async def test_values_of_the_wrong_type_are_refused(
    readings: aiohttp.ClientSession, field: str, value: object, fault: str
) -> None:
    response = await readings.post("/v1/reading", json={**READING, field: value})
    problem = await response.json(content_type=None)
    assert (response.status, problem["errors"]) == (422, [{"pointer": f"/body/{field}", "detail": fault}])


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (
            "unknown_type",
            (
                "The field Shape.corner is annotated <class 'complex'>, for which no column type is known. Use one of "
                "str, bool, int, float, Decimal, datetime, date, UUID, dict, an Enum or Literal of texts, a BaseModel, "
                "a TypedDict, or a list of one of these, optionally with '| None'."
            ),
        ),
        (
            "lacks_fields",
            "The model Note lacks created_at, updated_at. Each model has id, created_at and updated_at.",
        ),
        (
            "unusable_name",
            (
                "The model _Measurement has a name that cannot be part of an address and a channel. "
                "Use up to 64 letters A-Z and a-z, digits and underscores, and begin with a letter."
            ),
        ),
        (
            "unusable_id",
            "The field Measurement.id is annotated <class 'float'>. Use one of int, UUID, str.",
        ),
        (
            "field_of_the_service",
            "The model Counted has a field row_version, which is a column of the service. Rename the field.",
        ),
        ("hides_a_path", "The model Nodes would hide /v1/nodes. Rename the class."),
        ("hides_query", "The model Query would hide /v1/query. Rename the class."),
        (
            "share_a_path",
            "The models SAMPLE2 and Sample2 would both be at /v1/sample2. Rename one of the classes.",
        ),
        ("hides_migrations", "The model Migrations would hide /v1/migrations. Rename the class."),
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
@pytest.mark.usefixtures("model_packages")
def test_models_that_cannot_be_served_stop_the_start(package: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loader.load(package)
    assert str(caught.value) == message
