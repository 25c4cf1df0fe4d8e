"""The SQL that reads one row and writes rows, built once per model. Names in it come from the registry only; values are always parameters."""

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

from dataflow_service.registry.model import Field, Model
from dataflow_service.registry.quoting import quote


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
    names = _names(model.written)
    arrays = ", ".join(f"${place}::{field.sql_type}[]" for place, field in enumerate(model.written, 1))
    return (
        f"INSERT INTO {quote(model.table)} ({names}) SELECT {names} "  # noqa: S608
        f"FROM unnest({arrays}) WITH ORDINALITY AS sent ({names}, sent_place) ORDER BY sent_place "
        f'RETURNING "id"'
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


def _columns(model: Model) -> str:
    return ", ".join(_column(field) for field in model.fields)


def _column(field: Field) -> str:
    name = quote(field.name)
    return f"{name}::text AS {name}" if field.sql_type == "numeric" else name  # PostgreSQL writes no exponent


def _names(fields: Iterable[Field]) -> str:
    return ", ".join(quote(field.name) for field in fields)


def _parameters(fields: Sequence[Field]) -> str:
    return ", ".join(f"${place}" for place in range(1, len(fields) + 1))
