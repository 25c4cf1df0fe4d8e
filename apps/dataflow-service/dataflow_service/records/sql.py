"""The SQL that reads one row and writes rows, built once per model. Names in it come from the registry only; values are always parameters."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache

from dataflow_service.registry.model import Field, Model
from dataflow_service.registry.quoting import quote

TABLE = '"row"'
"""What statements with a condition call the table, so that its columns are not taken for those of the result."""

WAS_CREATED = '"was created"'
"""The column of upserts that is true for a new row; no field has a name with a space."""

AS_TEXT: Mapping[str, str] = {"numeric": "::text", "numeric[]": "::text[]"}
"""Casts of what is answered: PostgreSQL writes decimal numbers without an exponent."""


@cache
def insert(model: Model) -> str:
    """Insert one row: a parameter per written field; returns the row."""
    fields = model.written
    return (
        f"INSERT INTO {quote(model.table)} ({_names(fields)}) VALUES ({_parameters(fields)}) "  # noqa: S608
        f"RETURNING {_columns(model)}"
    )


@cache
def insert_many(model: Model) -> str:
    """Insert rows: an array per written field; returns the ids in the order of the arrays."""
    return f'{_insert_arrays(model)} RETURNING "id"'


@lru_cache(maxsize=1024)  # callers choose which fields they change
def upsert(model: Model, unique: tuple[str, ...], changed: tuple[str, ...]) -> str:
    """Insert one row, or set the fields `changed` of the row that has the same `unique` fields; returns the row.

    A parameter per written field, then one per changed field. The column "was created" tells which it was.
    """
    first = len(model.written) + 1
    settings = [f"{quote(name)} = ${place}" for place, name in enumerate(changed, first)]
    return (
        f"INSERT INTO {quote(model.table)} ({_names(model.written)}) VALUES ({_parameters(model.written)}) "  # noqa: S608
        f"{_on_conflict(unique, settings)} RETURNING {_columns(model)}, (xmax = 0) AS {WAS_CREATED}"
    )


@lru_cache(maxsize=1024)  # callers choose which fields they send
def upsert_many(model: Model, unique: tuple[str, ...], changed: tuple[str, ...]) -> str:
    """Insert rows, or set the fields `changed` of those that have the same `unique` fields.

    An array per written field; returns ids and "was created" in the order of the arrays.
    """
    settings = [f"{quote(name)} = EXCLUDED.{quote(name)}" for name in changed]
    return f'{_insert_arrays(model)} {_on_conflict(unique, settings)} RETURNING "id", (xmax = 0) AS {WAS_CREATED}'


@lru_cache(maxsize=1024)  # callers choose which fields they change
def update_each(model: Model, names: tuple[str, ...]) -> str:
    """Set the fields `names` of rows: an array of their ids, then one per field; returns the ids that are there."""
    fields = [field for field in model.fields if field.name in {"id", *names}]
    by_name = {field.name: field for field in fields}
    arrays = ", ".join(_array(by_name[name], place) for place, name in enumerate(("id", *names), 1))
    columns = ", ".join(quote(name) for name in ("id", *names))
    settings = ", ".join(f"{quote(name)} = {_sent(by_name[name])}" for name in names)
    return (
        f'UPDATE {quote(model.table)} AS {TABLE} SET {settings}, "updated_at" = now() '  # noqa: S608
        f'FROM unnest({arrays}) AS sent ({columns}) WHERE {TABLE}."id" = sent."id" RETURNING {TABLE}."id"'
    )


def update_where(model: Model, names: Sequence[str], where: str, limit: int, *, first: int) -> str:
    """Set the fields `names` of at most `limit` rows to the parameters from number `first` on; returns the ids."""
    settings = ", ".join(f"{quote(name)} = ${place}" for place, name in enumerate(names, first))
    return (
        f"{_matched(model, where, limit)} "  # noqa: S608
        f'UPDATE {quote(model.table)} AS {TABLE} SET {settings}, "updated_at" = now() '
        f'FROM matched WHERE {TABLE}."id" = matched."id" RETURNING {TABLE}."id"'
    )


def delete_where(model: Model, where: str, limit: int) -> str:
    """Delete at most `limit` rows; returns their ids."""
    return (
        f"{_matched(model, where, limit)} "  # noqa: S608
        f'DELETE FROM {quote(model.table)} AS {TABLE} USING matched WHERE {TABLE}."id" = matched."id" '
        f'RETURNING {TABLE}."id"'
    )


@cache
def select_one(model: Model) -> str:
    """Return the row whose id is $1."""
    return f'SELECT {_columns(model)} FROM {quote(model.table)} WHERE "id" = $1'  # noqa: S608


@lru_cache(maxsize=1024)  # callers choose which fields they change
def update(model: Model, names: tuple[str, ...]) -> str:
    """Set the fields `names` of the row whose id is $1 to the parameters from $2 on; returns the row."""
    settings = ", ".join(f"{quote(name)} = ${place}" for place, name in enumerate(names, 2))
    return (
        f'UPDATE {quote(model.table)} SET {settings}, "updated_at" = now() WHERE "id" = $1 '  # noqa: S608
        f"RETURNING {_columns(model)}"
    )


@cache
def delete(model: Model) -> str:
    """Delete the row whose id is $1; returns its id."""
    return f'DELETE FROM {quote(model.table)} WHERE "id" = $1 RETURNING "id"'  # noqa: S608


def _insert_arrays(model: Model) -> str:
    names = _names(model.written)
    arrays = ", ".join(_array(field, place) for place, field in enumerate(model.written, 1))
    values = ", ".join(map(_sent, model.written))
    return (
        f"INSERT INTO {quote(model.table)} ({names}) SELECT {values} "  # noqa: S608
        f"FROM unnest({arrays}) WITH ORDINALITY AS sent ({names}, sent_place) ORDER BY sent_place"
    )


def _array(field: Field, place: int) -> str:
    """Return the parameter with the values of many rows; lists are in it as texts, which unnest keeps apart."""
    return f"${place}::{'text' if field.is_list else field.sql_type}[]"


def _sent(field: Field) -> str:
    """Return the value of one of the rows."""
    return f"sent.{quote(field.name)}{f'::{field.sql_type}' if field.is_list else ''}"


def _on_conflict(unique: Sequence[str], settings: Sequence[str]) -> str:
    target = ", ".join(map(quote, unique))
    same = quote(unique[0])  # only what is updated is returned
    action = ", ".join([*settings, '"updated_at" = now()']) if settings else f"{same} = EXCLUDED.{same}"
    return f"ON CONFLICT ({target}) DO UPDATE SET {action}"


def _matched(model: Model, where: str, limit: int) -> str:
    table = f"{quote(model.table)} AS {TABLE}"
    return (
        f'WITH matched AS MATERIALIZED (SELECT "id" FROM {table} WHERE {where} ORDER BY "id" LIMIT {limit} FOR UPDATE)'  # noqa: S608
    )


def _columns(model: Model) -> str:
    return ", ".join(_column(field) for field in model.fields)


def _column(field: Field) -> str:
    name, cast = quote(field.name), AS_TEXT.get(field.sql_type)
    return f"{name}{cast} AS {name}" if cast else name


def _names(fields: Iterable[Field]) -> str:
    return ", ".join(quote(field.name) for field in fields)


def _parameters(fields: Sequence[Field]) -> str:
    return ", ".join(f"${place}" for place in range(1, len(fields) + 1))
