"""The SQL of rows, built once per model. Names in it come from the registry only; values are always parameters."""

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

from dataflow_service.registry.model import Field, Model

TABLE = '"row"'
"""What statements with a condition call the table."""

WAS_CREATED = '"was created"'
"""The column of upserts that is true for a new row; no field has a name with a space."""

_SIZED = frozenset({"text", "jsonb"})
_ROW_OVERHEAD = 128
"""About what the other columns of a row take in an answer."""


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
    types = {field.name: field.sql_type for field in fields}
    arrays = ", ".join(f"${place}::{types[name]}[]" for place, name in enumerate(("id", *names), 1))
    columns = ", ".join(quote(name) for name in ("id", *names))
    settings = ", ".join(f"{quote(name)} = sent.{quote(name)}" for name in names)
    return (
        f'UPDATE {quote(model.table)} AS {TABLE} SET {settings}, "updated_at" = now() '  # noqa: S608
        f'FROM unnest({arrays}) AS sent ({columns}) WHERE {TABLE}."id" = sent."id" RETURNING {TABLE}."id"'
    )


@lru_cache(maxsize=1024)  # callers choose which fields they change
def update_where(model: Model, names: tuple[str, ...], where: str, limit: int) -> str:
    """Set the fields `names` of at most `limit` rows to the parameters behind those of `where`; returns the ids."""
    first = where.count("$") + 1
    settings = ", ".join(f"{quote(name)} = ${place}" for place, name in enumerate(names, first))
    return (
        f"{_matched(model, where, limit)} "  # noqa: S608
        f'UPDATE {quote(model.table)} AS {TABLE} SET {settings}, "updated_at" = now() '
        f'FROM matched WHERE {TABLE}."id" = matched."id" RETURNING {TABLE}."id"'
    )


@lru_cache(maxsize=1024)
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


@lru_cache(maxsize=1024)
def select_page(model: Model, *, continued: bool, descending: bool, where: str = "TRUE") -> str:
    """Return up to $1 rows in the order of their ids, in all cases the first, then while those before have less than $2 bytes.

    `continued`: those beyond the id $3. Those of the condition `where`, whose parameters come behind.
    Each has in `page_rows` how many rows there would be without $2.
    """
    beyond, direction = ("<", "DESC") if descending else (">", "ASC")
    condition = f'WHERE {where} AND "id" {beyond} $3 ' if continued else f"WHERE {where} "
    page = (
        f"SELECT {_columns(model, json_as_text=True)} FROM {quote(model.table)} AS {TABLE} "  # noqa: S608
        f'{condition}ORDER BY "id" {direction} LIMIT $1'
    )
    before = f'sum({_size(model)}) OVER (ORDER BY "id" {direction} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)'
    return (
        f"SELECT {_names(model.fields)}, page_rows FROM "  # noqa: S608
        f"(SELECT *, count(*) OVER () AS page_rows, {before} AS bytes_before FROM ({page}) AS page) AS measured "
        f'WHERE coalesce(bytes_before, 0) < $2 ORDER BY "id" {direction}'
    )


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


@lru_cache(maxsize=1024)
def count(model: Model, where: str = "TRUE") -> str:
    """Return the number of rows of a condition."""
    return f"SELECT count(*) FROM {quote(model.table)} AS {TABLE} WHERE {where}"  # noqa: S608


def _insert_arrays(model: Model) -> str:
    names = _names(model.written)
    arrays = ", ".join(f"${place}::{field.sql_type}[]" for place, field in enumerate(model.written, 1))
    return (
        f"INSERT INTO {quote(model.table)} ({names}) SELECT {names} "  # noqa: S608
        f"FROM unnest({arrays}) WITH ORDINALITY AS sent ({names}, sent_place) ORDER BY sent_place"
    )


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


def _columns(model: Model, *, json_as_text: bool = False) -> str:
    as_text = {"numeric", "jsonb"} if json_as_text else {"numeric"}  # PostgreSQL writes decimals without an exponent
    return ", ".join(_column(field, as_text=field.sql_type in as_text) for field in model.fields)


def _column(field: Field, *, as_text: bool) -> str:
    name = quote(field.name)
    return f"{name}::text AS {name}" if as_text else name


def _size(model: Model) -> str:
    sized = [f"coalesce(octet_length({quote(field.name)}), 0)" for field in model.fields if field.sql_type in _SIZED]
    return " + ".join([str(_ROW_OVERHEAD), *sized])


def _names(fields: Iterable[Field]) -> str:
    return ", ".join(quote(field.name) for field in fields)


def _parameters(fields: Sequence[Field]) -> str:
    return ", ".join(f"${place}" for place in range(1, len(fields) + 1))


def quote(name: str) -> str:
    """Return a name as an identifier."""
    return '"' + name.replace('"', '""') + '"'
