"""The tables, indexes and constraints of the service's own schema, read from the catalogue of PostgreSQL."""

import re
from collections import defaultdict
from collections.abc import Mapping

import asyncpg

from dataflow_service.registry.declarations import DELETED_AT
from dataflow_service.registry.model import TENANT
from dataflow_service.schema import expressions
from dataflow_service.schema.sql import POLICY
from dataflow_service.schema.tables import SERVICE_TABLES, Check, Column, ForeignKey, Index, Schema, Table

_POLICY = f"({TENANT} = ( SELECT NULLIF(current_setting('app.tenant'::text, true), ''::text) AS \"nullif\"))"
"""How PostgreSQL spells the condition of the policy that schema/sql.py makes."""

_CONSTANT = re.compile(r"'(?:[^']|'')*'::[a-z ]+(?:\[\])?|true|false|-?[0-9]+(\.[0-9]+)?")


async def read_schema(connection: asyncpg.Connection, desired: Schema) -> Schema:
    """Return the tables of the schema; a default or an expression that equals the desired one is spelled like it."""
    columns, indexes = await _columns(connection, desired), await _indexes(connection)
    checks, foreign_keys = await _checks(connection), await _foreign_keys(connection)
    invalid = await _invalid_indexes(connection)
    return {
        row["name"]: Table(
            row["name"],
            columns[row["name"]],
            indexes[row["name"]],
            checks[row["name"]],
            foreign_keys[row["name"]],
            key=tuple(row["key"]),
            multi_tenant=row["multi_tenant"],
            key_name=row["key_name"] or "",
            rows=row["rows"],
            size=row["size"],
            row_security=row["row_security"],
            invalid_indexes=invalid[row["name"]],
        )
        for row in await connection.fetch(_TABLES, _POLICY)
        if row["name"] not in SERVICE_TABLES
    }


async def _columns(connection: asyncpg.Connection, desired: Schema) -> Mapping[str, dict[str, Column]]:
    found: dict[str, dict[str, Column]] = defaultdict(dict)
    spelled = await expressions.spelled(connection, desired)
    for row in await connection.fetch(_COLUMNS):
        wanted = desired[row["table_name"]].columns.get(row["name"]) if row["table_name"] in desired else None
        default, computed = None, None
        if row["is_computed"]:
            same = wanted is not None and row["default"] == spelled.get((row["table_name"], row["name"]))
            computed = wanted.computed if wanted is not None and same else row["default"]
        else:
            default = await _default(connection, row["default"], wanted)
        found[row["table_name"]][row["name"]] = Column(row["name"], row["type"], row["nullable"], default, computed)
    return found


async def _default(connection: asyncpg.Connection, default: str | None, wanted: Column | None) -> str | None:
    if wanted is None or default is None or wanted.default is None or default == wanted.default:
        return default
    if not (_CONSTANT.fullmatch(default) and _CONSTANT.fullmatch(wanted.default)):
        return default
    try:
        same = await connection.fetchval(f"SELECT ({default})::{wanted.type}::text = ({wanted.default})::text")
    except (asyncpg.DataError, asyncpg.SyntaxOrAccessError):
        same = False
    return wanted.default if same else default


async def _indexes(connection: asyncpg.Connection) -> Mapping[str, dict[str, Index]]:
    found: dict[str, dict[str, Index]] = defaultdict(dict)
    for row in await connection.fetch(_INDEXES):
        columns = tuple(row["columns"]) if row["plain"] else ()
        index = Index(
            row["name"], columns, row["is_unique"], row["present"], row["definition"], constraint=row["is_constraint"]
        )
        found[row["table_name"]][index.name] = index
    return found


async def _invalid_indexes(connection: asyncpg.Connection) -> Mapping[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in await connection.fetch(_INVALID_INDEXES):
        found[row["table_name"]][row["name"]] = row["definition"]
    return found


async def _checks(connection: asyncpg.Connection) -> Mapping[str, dict[str, Check]]:
    found: dict[str, dict[str, Check]] = defaultdict(dict)
    for row in await connection.fetch(_CHECKS):
        check = Check(row["name"], row["column"] or "", row["definition"].removesuffix(" NOT VALID"), row["valid"])
        found[row["table_name"]][check.name] = check
    return found


async def _foreign_keys(connection: asyncpg.Connection) -> Mapping[str, dict[str, ForeignKey]]:
    found: dict[str, dict[str, ForeignKey]] = defaultdict(dict)
    for row in await connection.fetch(_FOREIGN_KEYS):
        columns = tuple(row["columns"]) if row["plain"] else ()
        definition = row["definition"].removesuffix(" NOT VALID")
        key = ForeignKey(row["name"], columns, row["target"], tuple(row["target_columns"]), row["valid"], definition)
        found[row["table_name"]][key.name] = key
    return found


_PRESENT = f"({DELETED_AT} IS NULL)"
"""How PostgreSQL spells the condition of an index of rows that are not deleted."""

_OWN = "c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND c.relkind IN ('r', 'p')"
_TABLES = f"""
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS size,
       CASE WHEN pg_relation_size(c.oid) = 0 AND c.relkind = 'r' THEN 0 ELSE nullif(c.reltuples, -1)::bigint END AS rows,
       CASE WHEN NOT c.relrowsecurity THEN 'disabled' WHEN c.relforcerowsecurity THEN 'enabled and forced'
            ELSE 'enabled, not forced' END
       || coalesce((SELECT string_agg(format(', policy %s using %s', polname, pg_get_expr(polqual, polrelid)), '' ORDER BY polname)
                      FROM pg_policy WHERE polrelid = c.oid), '') AS row_security,
       k.conname AS key_name,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS part (number, place)
               JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = part.number ORDER BY place) AS key,
       c.relrowsecurity AND c.relforcerowsecurity AND (
           SELECT coalesce(bool_and(polname = '{POLICY}' AND polcmd = '*' AND polroles = '{{0}}'
                                    AND pg_get_expr(polqual, polrelid) = $1 AND pg_get_expr(polwithcheck, polrelid) = $1), false)
             FROM pg_policy WHERE polrelid = c.oid AND polpermissive) AS multi_tenant
  FROM pg_class AS c
  LEFT JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'p'
 WHERE {_OWN} ORDER BY c.relname
"""  # noqa: S608 - text of this file
_COLUMNS = f"""
SELECT c.relname AS table_name, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
       NOT a.attnotnull AS nullable, pg_get_expr(d.adbin, d.adrelid) AS default, a.attgenerated <> '' AS is_computed
  FROM pg_class AS c
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE {_OWN} ORDER BY c.relname, a.attnum
"""  # noqa: S608 - text of this file
_INDEXES = f"""
SELECT c.relname AS table_name, i.relname AS name, x.indisunique AS is_unique,
       pg_get_indexdef(x.indexrelid, 0, true) AS definition,
       x.indexprs IS NULL AND coalesce(pg_get_expr(x.indpred, x.indrelid), '{_PRESENT}') = '{_PRESENT}'
           AND x.indnatts = x.indnkeyatts AND m.amname = 'btree' AS plain,
       x.indpred IS NOT NULL AS present,
       EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = x.indexrelid AND k.contype = 'u') AS is_constraint,
       ARRAY(SELECT a.attname::text FROM unnest(x.indkey) WITH ORDINALITY AS part (number, place)
               JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = part.number ORDER BY place) AS columns
  FROM pg_class AS c
  JOIN pg_index AS x ON x.indrelid = c.oid AND NOT x.indisprimary AND x.indisvalid
  JOIN pg_class AS i ON i.oid = x.indexrelid
  JOIN pg_am AS m ON m.oid = i.relam
 WHERE {_OWN} ORDER BY c.relname, i.relname
"""  # noqa: S608 - text of this file
_INVALID_INDEXES = f"""
SELECT c.relname AS table_name, i.relname AS name, pg_get_indexdef(x.indexrelid, 0, true) AS definition
  FROM pg_class AS c
  JOIN pg_index AS x ON x.indrelid = c.oid AND NOT x.indisvalid
  JOIN pg_class AS i ON i.oid = x.indexrelid
 WHERE {_OWN} ORDER BY c.relname, i.relname
"""  # noqa: S608 - text of this file
_CHECKS = f"""
SELECT c.relname AS table_name, k.conname AS name, a.attname AS column, k.convalidated AS valid,
       pg_get_constraintdef(k.oid) AS definition
  FROM pg_class AS c
  JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'c'
  LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
 WHERE {_OWN} ORDER BY c.relname, k.conname
"""  # noqa: S608 - text of this file

_FOREIGN_KEYS = f"""
SELECT c.relname AS table_name, k.conname AS name, target.relname AS target, k.convalidated AS valid,
       pg_get_constraintdef(k.oid) AS definition,
       k.confupdtype = 'a' AND k.confdeltype = 'a' AND k.confmatchtype = 's' AND k.condeferrable AND NOT k.condeferred AS plain,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS part (number, place)
               JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = part.number ORDER BY place) AS columns,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS part (number, place)
               JOIN pg_attribute AS a ON a.attrelid = target.oid AND a.attnum = part.number ORDER BY place) AS target_columns
  FROM pg_class AS c
  JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'f'
  JOIN pg_class AS target ON target.oid = k.confrelid
 WHERE {_OWN} ORDER BY c.relname, k.conname
"""  # noqa: S608 - text of this file
