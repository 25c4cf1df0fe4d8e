"""The SQL of rows, built once per model. Names in it come from the registry only; values are always parameters."""

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

from dataflow_service.registry.model import Field, Model

_SIZED = frozenset({"text", "jsonb"})
_ROW_OVERHEAD = 128
"""About what the other columns of a row take in an answer."""


@cache
def insert(model: Model) -> str:
    """Insert one row: a parameter per written field; returns the row."""
    fields = model.written
    return (
        f"INSERT INTO {_quote(model.table)} ({_names(fields)}) VALUES ({_parameters(fields)}) "  # noqa: S608
        f"RETURNING {_columns(model)}"
    )


@cache
def insert_many(model: Model) -> str:
    """Insert rows: an array per written field; returns the ids in the order of the arrays."""
    names = _names(model.written)
    arrays = ", ".join(f"${place}::{field.sql_type}[]" for place, field in enumerate(model.written, 1))
    return (
        f"INSERT INTO {_quote(model.table)} ({names}) SELECT {names} "  # noqa: S608
        f"FROM unnest({arrays}) WITH ORDINALITY AS sent ({names}, sent_place) ORDER BY sent_place "
        f'RETURNING "id"'
    )


@cache
def select_one(model: Model) -> str:
    """Return the row whose id is $1."""
    return f'SELECT {_columns(model)} FROM {_quote(model.table)} WHERE "id" = $1'  # noqa: S608


@cache
def select_page(model: Model, *, continued: bool, descending: bool) -> str:
    """Return up to $1 rows in the order of their ids, in all cases the first, then while those before have less than $2 bytes.

    `continued`: those beyond the id $3. Each has in `page_rows` how many rows there would be without $2.
    """
    beyond, direction = ("<", "DESC") if descending else (">", "ASC")
    condition = f'WHERE "id" {beyond} $3 ' if continued else ""
    page = (
        f"SELECT {_columns(model, json_as_text=True)} FROM {_quote(model.table)} "  # noqa: S608
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
    settings = ", ".join(f"{_quote(name)} = ${place}" for place, name in enumerate(names, 2))
    return (
        f'UPDATE {_quote(model.table)} SET {settings}, "updated_at" = now() WHERE "id" = $1 '  # noqa: S608
        f"RETURNING {_columns(model)}"
    )


@cache
def delete(model: Model) -> str:
    """Delete the row whose id is $1; returns its id."""
    return f'DELETE FROM {_quote(model.table)} WHERE "id" = $1 RETURNING "id"'  # noqa: S608


@cache
def count(model: Model) -> str:
    """Return the number of rows."""
    return f"SELECT count(*) FROM {_quote(model.table)}"  # noqa: S608


def _columns(model: Model, *, json_as_text: bool = False) -> str:
    as_text = {"numeric", "jsonb"} if json_as_text else {"numeric"}  # PostgreSQL writes decimals without an exponent
    return ", ".join(_column(field, as_text=field.sql_type in as_text) for field in model.fields)


def _column(field: Field, *, as_text: bool) -> str:
    name = _quote(field.name)
    return f"{name}::text AS {name}" if as_text else name


def _size(model: Model) -> str:
    sized = [f"coalesce(octet_length({_quote(field.name)}), 0)" for field in model.fields if field.sql_type in _SIZED]
    return " + ".join([str(_ROW_OVERHEAD), *sized])


def _names(fields: Iterable[Field]) -> str:
    return ", ".join(_quote(field.name) for field in fields)


def _parameters(fields: Sequence[Field]) -> str:
    return ", ".join(f"${place}" for place in range(1, len(fields) + 1))


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
