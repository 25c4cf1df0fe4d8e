"""The SQL that reads one row and writes rows, built once per model. Names in it come from the registry only; values are always parameters.

A statement that writes logs what it changed; the last two parameters of each are the author's.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache

from dataflow_service.records.change_log import Log, logged
from dataflow_service.registry.declarations import DELETED_AT
from dataflow_service.registry.model import ROW_VERSION, TENANT, Field, Model, Relation
from dataflow_service.registry.quoting import quote

TABLE = '"row"'
"""What statements with a condition call the table, so that its columns are not taken for those of the result."""

WAS_CREATED = '"was created"'
"""The column of upserts that is true for a new row; no field has a name with a space."""

_ID = '"id"'
_VERSION = quote(ROW_VERSION)
_DELETED_AT = quote(DELETED_AT)
_UPSERTED_ID = f"{_ID}, {WAS_CREATED}"

AS_TEXT: Mapping[str, str] = {"numeric": "::text", "numeric[]": "::text[]"}
"""Casts of what is answered: PostgreSQL writes decimal numbers without an exponent."""


@cache
def insert(model: Model) -> str:
    """Insert one row: a parameter per inserted field; returns the row."""
    fields = model.inserted
    writing = (
        f"INSERT INTO {quote(model.table)} ({_names(fields)}) VALUES ({_parameters(fields)}) "  # noqa: S608 - names are of the registry, values are parameters
        f"RETURNING {_versioned(model)}"
    )
    return logged(model, writing, [_created(model)], versioned_columns(model), author=len(fields) + 1)


@cache
def insert_many(model: Model) -> str:
    """Insert rows: an array per inserted field; returns the ids in the order of the arrays."""
    writing = f"{_insert_arrays(model)} RETURNING {_names(model.fields)}"
    return logged(model, writing, [_created(model)], _ID, author=len(model.inserted) + 1)


@lru_cache(maxsize=1024)  # callers choose which fields they change
def upsert(model: Model, unique: tuple[str, ...], changed: tuple[str, ...]) -> str:
    """Insert one row, or set the fields `changed` of the row that has the same `unique` fields; returns the row.

    A parameter per inserted field, then one per changed field. The column "was created" tells which it was.
    """
    first = len(model.inserted) + 1
    settings = [f"{quote(name)} = ${place}" for place, name in enumerate(changed, first)]
    writing = (
        f"INSERT INTO {quote(model.table)} ({_names(model.inserted)}) VALUES ({_parameters(model.inserted)}) "  # noqa: S608 - names are of the registry, values are parameters
        f"{_on_conflict(model, unique, settings)} RETURNING {_versioned(model)}, (xmax = 0) AS {WAS_CREATED}"
    )
    result = f"{versioned_columns(model)}, {WAS_CREATED}"
    return logged(model, writing, _upserted(model, changed), result, author=first + len(changed))


@lru_cache(maxsize=1024)  # callers choose which fields they send
def upsert_many(model: Model, unique: tuple[str, ...], changed: tuple[str, ...]) -> str:
    """Insert rows, or set the fields `changed` of those that have the same `unique` fields.

    An array per inserted field; returns ids and "was created" in the order of the arrays.
    """
    settings = [f"{quote(name)} = EXCLUDED.{quote(name)}" for name in changed]
    conflict = _on_conflict(model, unique, settings)
    writing = f"{_insert_arrays(model)} {conflict} RETURNING {_names(model.fields)}, (xmax = 0) AS {WAS_CREATED}"
    return logged(model, writing, _upserted(model, changed), _UPSERTED_ID, author=len(model.inserted) + 1)


@lru_cache(maxsize=1024)  # callers choose which fields they change
def update_each(model: Model, names: tuple[str, ...]) -> str:
    """Set the fields `names` of rows: an array of their ids, then one per field; returns the ids that are there."""
    by_name = {field.name: field for field in model.fields}
    arrays = ", ".join(_array(by_name[name], place) for place, name in enumerate(("id", *names), 1))
    sent = ", ".join(map(quote, ("id", *names)))
    settings = ", ".join(f"{quote(name)} = {_sent(by_name[name])}" for name in names)
    writing = (
        f"UPDATE {quote(model.table)} AS {TABLE} SET {settings}, {touched(TABLE)} "  # noqa: S608 - names are of the registry, values are parameters
        f"FROM unnest({arrays}) AS sent ({sent}) WHERE {TABLE}.{_ID} = sent.{_ID}"
        f"{present(model, TABLE)} RETURNING {_names(model.fields, TABLE)}"
    )
    return logged(model, writing, [Log("update", names)], _ID, author=len(names) + 2)


def update_where(model: Model, names: Sequence[str], where: str, limit: int, *, first: int) -> str:
    """Set the fields `names` of at most `limit` rows to the parameters from number `first` on; returns the ids."""
    settings = ", ".join(f"{quote(name)} = ${place}" for place, name in enumerate(names, first))
    writing = (
        f"UPDATE {quote(model.table)} AS {TABLE} SET {settings}, {touched(TABLE)} "  # noqa: S608 - names are of the registry, values are parameters
        f"FROM matched WHERE {TABLE}.{_ID} = matched.{_ID} RETURNING {_names(model.fields, TABLE)}"
    )
    before = [_matched(model, where, limit)]
    return logged(model, writing, [Log("update", names)], _ID, author=first + len(names), before=before)


def delete_where(model: Model, where: str, limit: int, *, author: int) -> str:
    """Delete at most `limit` rows; returns their ids. Those of a model with soft delete are marked, and locked as if they went."""
    table, matches = f"{quote(model.table)} AS {TABLE}", f"{TABLE}.{_ID} = matched.{_ID} RETURNING {TABLE}.{_ID}"
    writing = f"DELETE FROM {table} USING matched WHERE {matches}"  # noqa: S608 - names are of the registry, values are parameters
    if model.soft_delete:
        writing = f"UPDATE {table} SET {_DELETED_AT} = now(), {touched(TABLE)} FROM matched WHERE {matches}"  # noqa: S608 - names are of the registry, values are parameters
    return logged(model, writing, [_DELETED], _ID, author=author, before=[_matched(model, where, limit)])


@cache
def select_one(model: Model) -> str:
    """Return the row whose id is $1."""
    return f'SELECT {versioned_columns(model)} FROM {quote(model.table)} WHERE "id" = $1{present(model)}'  # noqa: S608 - names are of the registry, values are parameters


@cache
def select_version(model: Model) -> str:
    """Return the version of the row whose id is $1."""
    return f'SELECT {_VERSION} FROM {quote(model.table)} WHERE "id" = $1{present(model)}'  # noqa: S608 - names are of the registry, values are parameters


@cache
def lock_present(model: Model) -> str:
    """Return which of the ids in the array $1 rows have that are not deleted, and keep them from being deleted."""
    kind = next(field.sql_type for field in model.fields if field.name == "id")
    where = f"{_ID} = ANY ($1::{kind}[]){present(model)}"
    return f"SELECT {_ID} FROM {quote(model.table)} WHERE {where} ORDER BY {_ID} FOR KEY SHARE"  # noqa: S608 - names are of the registry, values are parameters


@cache
def refers(relation: Relation) -> str:
    """Return whether a row that is not deleted refers to one of the ids in the array $1."""
    model = relation.model
    return f"SELECT EXISTS (SELECT FROM {quote(model.table)} WHERE {_refers(relation)}{present(model)})"  # noqa: S608 - names are of the registry, values are parameters


@cache
def empty_deleted(relation: Relation) -> str:
    """Set the field of a relation to null in deleted rows that refer to the ids in the array $1. They are in no log until they are restored."""
    table = quote(relation.model.table)
    return (
        f"UPDATE {table} SET {quote(relation.field.name)} = NULL, {touched(table)} "  # noqa: S608 - names are of the registry, values are parameters
        f"WHERE {_refers(relation)}{present(relation.model, deleted=True)}"
    )


def _refers(relation: Relation) -> str:
    return f"{quote(relation.field.name)} = ANY ($1::{relation.field.sql_type}[])"


@lru_cache(maxsize=1024)  # callers choose which fields they change
def update(model: Model, names: tuple[str, ...], *, checked: bool) -> str:
    """Set the fields `names` of the row whose id is $1 to the parameters from $2 on; returns the row.

    `checked`: the next parameter is an array of versions, of which the row must have one.
    """
    settings = ", ".join(f"{quote(name)} = ${place}" for place, name in enumerate(names, 2))
    behind = len(names) + 2
    writing = (
        f"UPDATE {quote(model.table)} AS {TABLE} SET {settings}, {touched(TABLE)} "  # noqa: S608 - names are of the registry, values are parameters
        f"WHERE {_one(behind, checked=checked)}{present(model)} RETURNING {_versioned(model)}"
    )
    return logged(model, writing, [Log("update", names)], versioned_columns(model), author=behind + checked)


@cache
def delete(model: Model, *, checked: bool, unreferenced: bool) -> str:
    """Delete the row whose id is $1; returns its id.

    `checked`: $2 is an array of versions, of which it must have one. `unreferenced`: only if no row refers to it.
    """
    if model.soft_delete:
        return delete_where(model, _one(2, checked=checked), 1, author=2 + checked)
    conditions = [_one(2, checked=checked), *(map(_unreferenced, model.referrers) if unreferenced else ())]
    writing = f"DELETE FROM {quote(model.table)} WHERE {' AND '.join(conditions)} RETURNING {_ID}"  # noqa: S608 - names are of the registry, values are parameters
    return logged(model, writing, [_DELETED], _ID, author=2 + checked)


@cache
def restore(model: Model) -> str:
    """Make the deleted row whose id is $1 one that is there again; returns the row. The log has it as a new one."""
    writing = (
        f"UPDATE {quote(model.table)} AS {TABLE} SET {_DELETED_AT} = NULL, {touched(TABLE)} "  # noqa: S608 - names are of the registry, values are parameters
        f"WHERE {_ID} = $1{present(model, deleted=True)} RETURNING {_versioned(model)}"
    )
    return logged(model, writing, [Log("create", [DELETED_AT])], versioned_columns(model), author=2)


def present(model: Model, table: str = "", *, deleted: bool = False) -> str:
    """Return the end of a condition that deleted rows of a model with soft delete do not meet; or they alone, with `deleted`."""
    if not model.soft_delete:
        return ""
    return f" AND {table and f'{table}.'}{_DELETED_AT} IS {'NOT NULL' if deleted else 'NULL'}"


def columns(model: Model) -> str:
    """Return the columns of rows as they are read."""
    return ", ".join(_column(field) for field in model.fields)


def versioned_columns(model: Model) -> str:
    """Return the columns of rows as they are read, and the version."""
    return f"{columns(model)}, {_VERSION}"


def touched(table: str) -> str:
    """Return what every change of a row of a table, named as the statement does, sets beside the fields."""
    return f'"updated_at" = now(), {_VERSION} = {table}.{_VERSION} + 1'


_DELETED = Log("delete", keeps_row=False)


def _created(model: Model, condition: str = "TRUE") -> Log:
    return Log("create", [field.name for field in model.written], condition)


def _upserted(model: Model, changed: Sequence[str]) -> list[Log]:
    created = _created(model, WAS_CREATED)
    return [created, Log("update", changed, f"NOT {WAS_CREATED}")] if changed else [created]


def _insert_arrays(model: Model) -> str:
    names = _names(model.inserted)
    arrays = ", ".join(_array(field, place) for place, field in enumerate(model.inserted, 1))
    values = ", ".join(_or_made(field, _sent(field)) for field in model.inserted)
    return (
        f"INSERT INTO {quote(model.table)} ({names}) SELECT {values} "  # noqa: S608 - names are of the registry, values are parameters
        f"FROM unnest({arrays}) WITH ORDINALITY AS sent ({names}, sent_place) ORDER BY sent_place"
    )


def _array(field: Field, place: int) -> str:
    """Return the parameter with the values of many rows; lists are in it as texts, which unnest keeps apart."""
    return f"${place}::{'text' if field.is_list else field.sql_type}[]"


def _sent(field: Field) -> str:
    """Return the value of one of the rows."""
    return f"sent.{quote(field.name)}{f'::{field.sql_type}' if field.is_list else ''}"


def _on_conflict(model: Model, unique: Sequence[str], settings: Sequence[str]) -> str:
    target = ", ".join(map(quote, [TENANT, *unique] if model.multi_tenant else unique))
    same = quote(unique[0])  # only what is updated is returned
    action = ", ".join([*settings, touched(quote(model.table))]) if settings else f"{same} = EXCLUDED.{same}"
    if model.soft_delete:
        return (
            f"ON CONFLICT ({target}) WHERE {_DELETED_AT} IS NULL DO UPDATE SET {action} "
            f"WHERE {quote(model.table)}.{_DELETED_AT} IS NULL"
        )
    return f"ON CONFLICT ({target}) DO UPDATE SET {action}"


def _matched(model: Model, where: str, limit: int) -> str:
    table = f"{quote(model.table)} AS {TABLE}"
    where += present(model, TABLE)
    return f'matched AS MATERIALIZED (SELECT "id" FROM {table} WHERE {where} ORDER BY "id" LIMIT {limit} FOR UPDATE)'  # noqa: S608 - names are of the registry, values are parameters


def _column(field: Field) -> str:
    name, cast = quote(field.name), AS_TEXT.get(field.sql_type)
    return f"{name}{cast} AS {name}" if cast else name


def _one(place: int, *, checked: bool) -> str:
    """Return the condition of the row whose id is $1, with one of the versions in parameter `place`."""
    return f"{_ID} = $1 AND {_VERSION} = ANY (${place}::bigint[])" if checked else f"{_ID} = $1"


def _unreferenced(relation: Relation) -> str:
    """Return the condition that no row refers by a relation to the row whose id is $1."""
    field = f"{TABLE}.{quote(relation.field.name)}"
    return f"NOT EXISTS (SELECT FROM {quote(relation.model.table)} AS {TABLE} WHERE {field} = $1)"


def _versioned(model: Model) -> str:
    return f"{_names(model.fields)}, {_VERSION}"


def _names(fields: Iterable[Field], table: str | None = None) -> str:
    return ", ".join(quote(field.name) if table is None else f"{table}.{quote(field.name)}" for field in fields)


def _parameters(fields: Sequence[Field]) -> str:
    return ", ".join(_or_made(field, f"${place}") for place, field in enumerate(fields, 1))


def _or_made(field: Field, value: str) -> str:
    """Return the value of a new row; a UUID that is not sent is made."""
    return f"coalesce({value}, gen_random_uuid())" if field.name == "id" and field.sql_type == "uuid" else value
