"""The tables that models declare."""

import asyncpg
import pytest
from conftest import MakeSettings, make_tables

from dataflow_service.registry import loader
from dataflow_service.schema.desired import desired_schema
from dataflow_service.schema.service import MigrationService
from dataflow_service.schema.steps import text
from dataflow_service.settings import MIGRATIONS
from nexus_chassis.errors import ConfigurationError
from nexus_chassis.postgres import migrate

EVERY_TYPE = """\
-- 1. create table: lock none, in a transaction
CREATE TABLE "instrument_readings" ("id" uuid NOT NULL DEFAULT gen_random_uuid(), "text" text NOT NULL, \
"flag" boolean NOT NULL, "whole" bigint NOT NULL, "real" double precision NOT NULL, "exact" numeric NOT NULL, \
"moment" timestamp with time zone NOT NULL, "day" date NOT NULL, "key" uuid NOT NULL, "document" jsonb NOT NULL, \
"maybe" bigint, "also" double precision DEFAULT '0.5'::double precision, \
"created_at" timestamp with time zone NOT NULL DEFAULT now(), \
"updated_at" timestamp with time zone NOT NULL DEFAULT now(), \
"row_version" bigint NOT NULL DEFAULT '1'::bigint, PRIMARY KEY ("id"));"""
EVERY_DEFAULT = """\
-- 1. create table: lock none, in a transaction
CREATE TABLE "settings_of_defaults" ("id" bigint GENERATED ALWAYS AS IDENTITY, \
"text" text NOT NULL DEFAULT 'it''s'::text, "flag" boolean NOT NULL DEFAULT true, \
"whole" bigint NOT NULL DEFAULT '-5'::bigint, "real" double precision NOT NULL DEFAULT '1e-09'::double precision, \
"exact" numeric NOT NULL DEFAULT '12.50'::numeric, \
"moment" timestamp with time zone NOT NULL DEFAULT '2026-02-03T04:05:06+00:00'::timestamp with time zone, \
"day" date NOT NULL DEFAULT '2026-02-03'::date, \
"key" uuid NOT NULL DEFAULT '6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11'::uuid, \
"document" jsonb NOT NULL DEFAULT '{"b":[1,null],"a":2.50}'::jsonb, \
"maybe" text DEFAULT ''::text, \
"created_at" timestamp with time zone NOT NULL DEFAULT now(), \
"updated_at" timestamp with time zone NOT NULL DEFAULT now(), \
"row_version" bigint NOT NULL DEFAULT '1'::bigint, \
"tenant_id" text NOT NULL DEFAULT NULLIF(current_setting('app.tenant'::text, true), ''::text), \
PRIMARY KEY ("tenant_id", "id"));
-- 2. create policy: lock ACCESS EXCLUSIVE, in a transaction
CREATE POLICY tenant ON "settings_of_defaults" \
USING ("tenant_id" = (SELECT nullif(current_setting('app.tenant', true), ''))) \
WITH CHECK ("tenant_id" = (SELECT nullif(current_setting('app.tenant', true), '')));
-- 3. keep tenants apart: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "settings_of_defaults" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"""


@pytest.fixture
async def products(make_settings: MakeSettings, database: asyncpg.Connection) -> MigrationService:
    """The migrations of the service's own models, in a schema that its SQL files made."""
    settings = make_settings()
    await migrate(settings, MIGRATIONS)
    assert await database.fetchval("SELECT to_regclass('products') IS NOT NULL")
    return MigrationService(settings, desired_schema(loader.load("dataflow_service.models")))


async def test_the_table_of_the_sql_files_is_what_the_models_declare(products: MigrationService) -> None:
    assert (await products.plan()).steps == ()
    status = await products.status()
    assert (status.unknown_tables, status.unknown_columns) == ([], [])


@pytest.mark.parametrize(("package", "expected"), [("every_type", EVERY_TYPE), ("every_default", EVERY_DEFAULT)])
@pytest.mark.usefixtures("model_packages", "products")
async def test_each_type_and_default_makes_a_column_and_nothing_is_left_to_do(
    make_settings: MakeSettings, package: str, expected: str
) -> None:
    service = MigrationService(make_settings(), desired_schema(loader.load(package)))
    plan = await service.plan()
    assert text(plan.steps) == expected
    await service.apply(plan.checksum, destructive=False)
    assert (await service.plan()).steps == ()


@pytest.mark.usefixtures("model_packages")
async def test_lists_declared_texts_and_members_make_columns_and_nothing_is_left_to_do(
    make_settings: MakeSettings, database: asyncpg.Connection
) -> None:
    settings = make_settings(models="rich_types")
    await make_tables(settings)
    assert (await MigrationService(settings, desired_schema(loader.load("rich_types"))).plan()).steps == ()
    defaults = await database.fetch(
        "SELECT column_name::text, column_default FROM information_schema.columns "
        "WHERE table_name = 'offers' AND table_schema = current_schema() AND column_name = ANY ($1)",
        ["colours", "days", "colour", "size", "parts"],
    )
    assert dict(map(tuple, defaults)) == {
        "colours": "'{red}'::text[]",
        "days": "'{}'::date[]",
        "colour": "'blue'::text",
        "size": """'{"unit": "mm", "notes": {}, "width": "1.0", "measured_at": null}'::jsonb""",
        "parts": "'[]'::jsonb",
    }


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (
            "index_without_name",
            (
                "The index {'fields': ['sku']} of the model Anonymous lacks a name or fields. "
                'Write it like {"name": "products_sku_key", "fields": ["sku"], "unique": True}.'
            ),
        ),
        (
            "index_of_no_field",
            (
                "The index {'name': 'odd_size_idx', 'fields': ['size']} of the model Sizeless names size, which the model has "
                'not. Write it like {"name": "products_sku_key", "fields": ["sku"], "unique": True}.'
            ),
        ),
        (
            "index_of_a_kind",
            (
                "The index {'name': 'kind_idx', 'fields': ['id'], 'type': 'gin'} of the model Kind has the unknown key type. "
                'Write it like {"name": "products_sku_key", "fields": ["sku"], "unique": True}.'
            ),
        ),
        ("one_table_twice", "The table shared_table is declared more than once. Give each its own name."),
        ("one_index_twice", "The index shared_idx is declared more than once. Give each its own name."),
        (
            "long_name",
            (
                "The model LongName names 'abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_0123456789', which PostgreSQL "
                "would cut off: use at most 63 bytes."
            ),
        ),
        (
            "wrong_default",
            "The default of the field WrongDefault.colour is not valid: Input should be 'red' or 'blue'.",
        ),
        ("table_of_the_service", "The model Ledger names the table model_migrations, which the service itself has."),
    ],
)
@pytest.mark.usefixtures("model_packages")
def test_models_whose_tables_cannot_be_made_are_refused(package: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        desired_schema(loader.load(package))
    assert str(caught.value) == message
