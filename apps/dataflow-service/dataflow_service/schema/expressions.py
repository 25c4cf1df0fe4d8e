"""The expressions of computed columns, as PostgreSQL spells them."""

from collections.abc import Mapping

import asyncpg

from dataflow_service.registry.quoting import quote
from dataflow_service.schema import sql
from dataflow_service.schema.errors import InvalidExpressionError
from dataflow_service.schema.tables import Column, Schema, Table

_PROBE = "computed columns"


async def spelled(connection: asyncpg.Connection, desired: Schema) -> Mapping[tuple[str, str], str]:
    """Return the expressions that tables declare, by table and column.

    Raises:
        InvalidExpressionError: PostgreSQL refuses one.
    """
    found: dict[tuple[str, str], str] = {}
    for table in desired.values():
        if any(column.computed is not None for column in table.columns.values()):
            found |= {(table.name, name): text for name, text in (await _of_table(connection, table)).items()}
    return found


async def _of_table(connection: asyncpg.Connection, table: Table) -> Mapping[str, str]:
    """Make a table with the columns, which nobody else sees, look at it, and undo that.

    It is no temporary table: the owner of the schema need not have the right to make one in the database.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(sql.probe(_PROBE, table))
        for column in table.columns.values():
            if column.computed is not None:
                await _add(connection, table, column)
        return {row["name"]: row["expression"] for row in await connection.fetch(_EXPRESSIONS, quote(_PROBE))}
    finally:
        await transaction.rollback()


async def _add(connection: asyncpg.Connection, table: Table, column: Column) -> None:
    try:
        await connection.execute(sql.add_column(_PROBE, column).statement)
    except (asyncpg.SyntaxOrAccessError, asyncpg.DataError, asyncpg.FeatureNotSupportedError) as error:
        raise InvalidExpressionError(f"{table.model}.{column.name}", str(column.computed), error.message) from error


_EXPRESSIONS = """
SELECT a.attname AS name, pg_get_expr(d.adbin, d.adrelid) AS expression
  FROM pg_attribute AS a JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = to_regclass($1) AND a.attgenerated <> ''
"""
