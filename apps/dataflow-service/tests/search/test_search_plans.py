"""The indexes of a search: made and dropped by plans, and used under row-level security."""

from dataclasses import replace

import asyncpg
import pytest
from parts import Engine
from tenants import DEFAULT_TENANT

from dataflow_service.records import query_parsing, query_sql
from dataflow_service.registry import loader
from dataflow_service.registry.model import Model, Registry, Search
from dataflow_service.registry.search import LANGUAGES, search
from dataflow_service.schema.desired import desired_schema
from dataflow_service.schema.errors import StepFailedError
from dataflow_service.schema.steps import text
from nexus_chassis.errors import ConfigurationError

EXAMPLE = 'Write it like {"fields": ["name", "description"], "language": "english"}.'
GERMAN = """\
-- 1. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table
CREATE INDEX CONCURRENTLY "essays_parts_5b149df8" ON "essays" USING gin ("heading" gin_trgm_ops) \
WITH (gin_pending_list_limit = 1024);
-- 2. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table
CREATE INDEX CONCURRENTLY "essays_words_f46b31b6" ON "essays" \
USING gin (to_tsvector('pg_catalog.german', "heading")) WITH (gin_pending_list_limit = 1024);"""
INDEXES = (
    "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = $1::regclass AND NOT indisprimary ORDER BY 1"
)
MANY = """
INSERT INTO wares (name, sku, tenant_id)
SELECT 'Washer ' || md5(n::text), 'W-' || n, current_setting('app.tenant') FROM generate_series(1, 10000) AS n
"""


@pytest.fixture
def article(model_packages: None) -> Model:  # noqa: ARG001 - needed for its effect
    """A model that searches its id, heading and note."""
    return loader.load("searched").named("Essay")


async def _names(database: asyncpg.Connection, table: str) -> list[str]:
    return [row[0] for row in await database.fetch(INDEXES, table)]


def _with(article: Model, *names: str) -> Registry:
    fields = tuple(field for field in article.fields if field.name in names)
    return Registry([replace(article, search=Search(fields, "german") if names else None)])


async def test_a_plan_makes_indexes_replaces_them_and_drops_them_with_the_declaration(
    engine: Engine, database: asyncpg.Connection, article: Model
) -> None:
    without, with_heading, with_both = (
        desired_schema(_with(article, *names)) for names in ((), ("heading",), ("heading", "note"))
    )
    await engine.apply(without)
    assert await _names(database, "essays") == []
    assert text((await engine.plan(with_heading)).steps) == GERMAN
    await engine.apply(with_heading)
    assert (await engine.plan(with_heading)).steps == ()
    assert await _names(database, "essays") == ["essays_parts_5b149df8", "essays_words_f46b31b6"]
    await engine.apply(with_both)
    replaced = await _names(database, "essays")
    assert [name.rpartition("_")[0] for name in replaced] == ["essays_parts", "essays_words"]
    assert not {"essays_parts_5b149df8", "essays_words_f46b31b6"} & set(replaced)
    await engine.rollback()
    assert await _names(database, "essays") == ["essays_parts_5b149df8", "essays_words_f46b31b6"]
    await engine.apply(without)
    assert await _names(database, "essays") == []


@pytest.mark.parametrize("language", LANGUAGES)
async def test_postgresql_has_each_language(database: asyncpg.Connection, language: str) -> None:
    assert await database.fetchval("SELECT to_tsvector($1::text::regconfig, 'a') IS NOT NULL", f"pg_catalog.{language}")


async def test_a_plan_without_the_extension_says_what_is_missing(
    engine: Engine, article: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.apply(desired_schema(_with(article)))
    sought = desired_schema(_with(article, "heading"))
    for name, index in sought["essays"].indexes.items():
        absent = replace(index, expression=index.expression.replace("gin_trgm_ops", "no_such_ops"))
        monkeypatch.setitem(sought["essays"].indexes, name, absent)  # type: ignore[arg-type] # a dict
    with pytest.raises(StepFailedError, match='operator class "no_such_ops" does not exist'):
        await engine.apply(sought)


@pytest.mark.parametrize("sought", ["washer 5d7b9adcbe", "W-9999", "wahser 5d7b9adcbe"])
@pytest.mark.parametrize("as_owner", [True, False])
async def test_a_search_reads_its_indexes_under_row_level_security(
    engine: Engine,
    database: asyncpg.Connection,
    postgres_url: str,
    *,
    service_role: str,
    model_packages: None,  # noqa: ARG001 - needed for its effect
    sought: str,
    as_owner: bool,
) -> None:
    models = loader.load("searched")
    await engine.apply(desired_schema(models))
    for tenant in ("acme", "default"):
        await database.execute("SELECT set_config('app.tenant', $1, false)", tenant)
        await database.execute(MANY)
    await database.execute("VACUUM ANALYZE wares")  # autovacuum does it: new rows are not in the index yet
    await database.execute(f"GRANT SELECT ON wares TO {service_role}")
    role = {} if as_owner else {"user": service_role, "password": "unit"}
    connection = await asyncpg.connect(postgres_url, server_settings=DEFAULT_TENANT, **role)
    model = models.named("Ware")
    query = query_parsing.of_address(
        model, filter_text=None, fields=None, order=None, after=None, limit=100, search=sought
    )
    statement = query_sql.select_page(model, query, limit=101, max_bytes=1024 * 1024)
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement.text}", *statement.values))
    await connection.close()
    assert "Bitmap Index Scan on wares_words_1ce83f39" in plan
    assert "Bitmap Index Scan on wares_parts_832fa874" in plan
    assert "Seq Scan" not in plan
    assert "wares_pkey" not in plan


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        ({"fields": ["heading"], "weights": "A"}, "has the unknown key weights"),
        (["heading"], "is no dict"),
        ({"fields": [["heading"]]}, "names ['heading'], which is no text of the model"),
        ({}, "lacks fields, or has one twice"),
        ({"fields": []}, "lacks fields, or has one twice"),
        ({"fields": "heading"}, "lacks fields, or has one twice"),
        ({"fields": ["heading", "heading"]}, "lacks fields, or has one twice"),
        ({"fields": ["amount"]}, "names amount, which is no text of the model"),
        ({"fields": ["x", "y"]}, "names x, y, which is no text of the model"),
        ({"fields": ["heading"], "language": "klingon"}, f"has a language that is none of {', '.join(LANGUAGES)}"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(article: Model, declaration: object, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        search("Article", declaration, article.fields)
    assert str(caught.value) == f"The search {declaration} of the model Article {reason}. {EXAMPLE}"
