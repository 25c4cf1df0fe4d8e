"""Relations that models declare: what is refused, what is described, and the foreign keys that are made."""

import aiohttp
import asyncpg
import pytest
from conftest import MakeSettings, make_tables

from dataflow_service.registry import loader
from dataflow_service.registry.relations import relate
from dataflow_service.schema.desired import desired_schema
from dataflow_service.schema.service import MigrationService
from nexus_chassis.errors import ConfigurationError

EXAMPLE = 'Write it like {"field": "supplier_id", "model": "Supplier", "on_delete": "restrict"}.'
GOOD = {"field": "name", "model": "Customer", "on_delete": "restrict", "name": "namesake"}
TAKEN = 'which is taken or no name. Declare another, such as "name": "supplied_by".'


def _unusable(declaration: dict[str, object], reason: str) -> str:
    return f"The relation {declaration} of the model Customer {reason}. {EXAMPLE}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"on_update": "cascade"}, "has the unknown key on_update"),
        ({"field": "size"}, "names the field size, which the model has not"),
        ({"field": "id"}, "names the field id, which the model has not"),
        ({"model": "Product"}, "names the model Product, which the package has not"),
        ({"on_delete": "no action"}, "has an on_delete that is none of restrict, cascade, set null"),
        ({"model": "SalesOrder"}, "has a field of the type text, but the ids of SalesOrder are bigint"),
        ({"on_delete": "set null"}, "sets a field to null that may not be null"),
    ],
)
@pytest.mark.usefixtures("model_packages")
def test_a_declaration_that_cannot_be_is_refused(change: dict[str, object], reason: str) -> None:
    models = {model.name: model for model in loader.load("related").models}
    declaration = {**GOOD, **change}
    with pytest.raises(ConfigurationError) as caught:
        relate(models, {"Customer": [declaration]})
    assert str(caught.value) == _unusable(declaration, reason)


@pytest.mark.usefixtures("model_packages")
def test_a_declaration_that_lacks_a_part_is_refused() -> None:
    models = {model.name: model for model in loader.load("related").models}
    with pytest.raises(ConfigurationError) as caught:
        relate(models, {"Customer": [{"field": "name"}]})
    assert str(caught.value) == _unusable({"field": "name"}, "lacks model, on_delete")


@pytest.mark.parametrize(
    ("declarations", "message"),
    [
        ([GOOD, {**GOOD, "name": "other"}], "The model Customer has two relations of the field name."),
        ([{**GOOD, "name": "id"}], f"The relation of Customer.name would be called 'id', {TAKEN}"),
        ([{**GOOD, "name": "a b"}], f"The relation of Customer.name would be called 'a b', {TAKEN}"),
    ],
)
@pytest.mark.usefixtures("model_packages")
def test_each_relation_has_a_field_and_a_name_of_its_own(declarations: list[dict[str, str]], message: str) -> None:
    models = {model.name: model for model in loader.load("related").models}
    with pytest.raises(ConfigurationError) as caught:
        relate(models, {"Customer": declarations})
    assert str(caught.value) == message


@pytest.mark.usefixtures("model_packages")
def test_a_package_whose_models_refer_to_others_does_not_load() -> None:
    with pytest.raises(ConfigurationError, match=r"names the model Product, which the package has not\."):
        loader.load("relates_to_nothing")


async def test_a_model_tells_its_relations(shop: aiohttp.ClientSession) -> None:
    line = await (await shop.get("/v1/models/SalesLine")).json()
    assert line["relations"] == [
        {"name": "order", "field": "order_id", "model": "SalesOrder", "on_delete": "cascade"},
        {"name": "sold", "field": "article_id", "model": "Article", "on_delete": "set null"},
    ]


@pytest.mark.usefixtures("model_packages")
async def test_each_relation_is_a_foreign_key_with_an_index_and_nothing_is_left_to_do(
    make_settings: MakeSettings, database: asyncpg.Connection
) -> None:
    settings = make_settings(models="related")
    await make_tables(settings)
    keys = await database.fetch(
        "SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype = 'f' AND connamespace = current_schema()::regnamespace AND conrelid::regclass::text LIKE 'sales%' "
        "ORDER BY 1, 2"
    )
    assert [tuple(key) for key in keys] == [
        (
            "sales_lines",
            "article_id_fkey",
            "FOREIGN KEY (tenant_id, article_id) REFERENCES articles(tenant_id, id) DEFERRABLE",
        ),
        (
            "sales_lines",
            "order_id_fkey",
            "FOREIGN KEY (tenant_id, order_id) REFERENCES sales_orders(tenant_id, id) DEFERRABLE",
        ),
        (
            "sales_orders",
            "customer_id_fkey",
            "FOREIGN KEY (tenant_id, customer_id) REFERENCES customers(tenant_id, id) DEFERRABLE",
        ),
    ]
    indexes = await database.fetch(
        "SELECT indexname::text FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'sales_lines' ORDER BY 1"
    )
    assert [name for (name,) in indexes] == ["sales_lines_article_id_idx", "sales_lines_of_order", "sales_lines_pkey"]
    assert (await MigrationService(settings, desired_schema(loader.load("related"))).plan()).steps == ()
