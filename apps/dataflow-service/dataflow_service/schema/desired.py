"""The tables that the models declare."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from dataflow_service.registry.json_values import to_json_text
from dataflow_service.registry.model import ROW_VERSION, SERVICE_FIELDS, Field, Model, Registry
from dataflow_service.schema.tables import SERVICE_TABLES, Column, Index, Schema, Table
from nexus_chassis.errors import ConfigurationError

_MAX_NAME_BYTES = 63  # PostgreSQL cuts longer names off
_INDEX_KEYS = frozenset({"name", "fields", "unique"})
_SPELLINGS = {"timestamptz": "timestamp with time zone"}


def desired_schema(registry: Registry) -> Schema:
    """Return the tables of the models.

    Raises:
        ConfigurationError: No table can be made for a model, or two models want the same name.
    """
    _refuse_repeated("table", (model.table for model in registry.models))
    tables = {model.table: _table(model) for model in registry.models}
    _refuse_repeated("index", (name for table in tables.values() for name in table.indexes))
    return tables


def _table(model: Model) -> Table:
    _check_name(model, model.table)
    if model.table in SERVICE_TABLES:
        raise ConfigurationError(f"The model {model.name} names the table {model.table}, which the service itself has.")
    columns = {field.name: _column(model, field) for field in model.fields} | {ROW_VERSION: _ROW_VERSION}
    indexes = [_index(model, declaration) for declaration in model.indexes]
    _refuse_repeated("index", (index.name for index in indexes))
    return Table(model.table, columns, {index.name: index for index in indexes})


_ROW_VERSION = Column(ROW_VERSION, "bigint", nullable=False, default="'1'::bigint")


def _column(model: Model, field: Field) -> Column:
    _check_name(model, field.name)
    return Column(field.name, _SPELLINGS.get(field.sql_type, field.sql_type), field.nullable, _default(model, field))


def _default(model: Model, field: Field) -> str | None:
    if field.name == "id":
        return "gen_random_uuid()" if field.sql_type == "uuid" else None
    if field.name in SERVICE_FIELDS:
        return "now()"
    value = None if field.required else model.create.model_fields[field.name].default
    return None if value is None else literal(value, _SPELLINGS.get(field.sql_type, field.sql_type))


def literal(value: object, sql_type: str) -> str:
    """Return a value as an SQL constant of a type."""
    if isinstance(value, bool):
        return str(value).lower()
    text = _WRITERS.get(sql_type, str)(value)
    return "'" + text.replace("'", "''") + f"'::{sql_type}"


def _json(value: object) -> str:
    return str(to_json_text(value, lambda checked: checked))


def _iso(value: Any) -> str:  # noqa: ANN401 - a date or a moment, or what PostgreSQL will refuse
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


_WRITERS: Mapping[str, Callable[[Any], str]] = {"jsonb": _json, "date": _iso, "timestamp with time zone": _iso}


def _index(model: Model, declaration: Mapping[str, Any]) -> Index:
    if unknown := declaration.keys() - _INDEX_KEYS:
        raise _unusable_index(model, declaration, f"has the unknown key {', '.join(sorted(unknown))}")
    name, fields = declaration.get("name"), declaration.get("fields")
    if not isinstance(name, str) or not name or not fields:
        raise _unusable_index(model, declaration, "lacks a name or fields")
    _check_name(model, name)
    if missing := [field for field in fields if field not in {known.name for known in model.fields}]:
        raise _unusable_index(model, declaration, f"names {', '.join(missing)}, which the model has not")
    return Index(name, tuple(fields), bool(declaration.get("unique", False)))


def _unusable_index(model: Model, declaration: Mapping[str, Any], reason: str) -> ConfigurationError:
    example = '{"name": "products_sku_key", "fields": ["sku"], "unique": True}'
    return ConfigurationError(
        f"The index {dict(declaration)} of the model {model.name} {reason}. Write it like {example}."
    )


def _check_name(model: Model, name: str) -> None:
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise ConfigurationError(
            f"The model {model.name} names {name!r}, which PostgreSQL would cut off: use at most {_MAX_NAME_BYTES} bytes."
        )


def _refuse_repeated(kind: str, names: Iterable[str]) -> None:
    if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
        raise ConfigurationError(
            f"The {kind} {', '.join(repeated)} is declared more than once. Give each its own name."
        )
