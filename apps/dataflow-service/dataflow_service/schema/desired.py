"""The tables that the models declare."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from dataflow_service.registry import search_expressions
from dataflow_service.registry.model import (
    ROW_VERSION,
    SERVICE_FIELDS,
    TENANT,
    Field,
    Model,
    Registry,
    Relation,
    Search,
)
from dataflow_service.registry.quoting import array_text, quote, quote_text
from dataflow_service.registry.validation import reason
from dataflow_service.schema.tables import (
    MAX_NAME_BYTES,
    SERVICE_TABLES,
    TENANT_COLUMN,
    Check,
    Column,
    ForeignKey,
    Index,
    Schema,
    Table,
    constraint_name,
)
from nexus_chassis.errors import ConfigurationError

_PENDING_KIB = 1024
"""Of what was written last, which each search reads as it is: a quarter of the default, for the same cost of writing."""

_INDEX_KEYS = frozenset({"name", "fields", "unique"})


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
    if model.multi_tenant:
        columns[TENANT] = TENANT_COLUMN
    indexes = _indexes(model)
    _refuse_repeated("index", (index.name for index in indexes))
    checks = [check_of(field) for field in model.fields if field.texts]
    foreign_keys = [_foreign_key(relation) for relation in model.relations]
    return Table(
        model.table,
        columns,
        {index.name: index for index in indexes},
        {check.name: check for check in checks},
        {key.name: key for key in foreign_keys},
        key=_of_tenant(model, ("id",)),
        multi_tenant=model.multi_tenant,
        model=model.name,
        soft_delete=model.soft_delete,
    )


def _of_tenant(model: Model, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of a key: what is unique is so within a tenant."""
    return (TENANT, *columns) if model.multi_tenant else columns


_ROW_VERSION = Column(ROW_VERSION, "bigint", nullable=False, default="'1'::bigint")


def _column(model: Model, field: Field) -> Column:
    _check_name(model, field.name)
    return Column(field.name, _spelling(field), field.nullable, _default(model, field), field.expression)


def _spelling(field: Field) -> str:
    return field.sql_type.replace("timestamptz", "timestamp with time zone")


def _default(model: Model, field: Field) -> str | None:
    if field.name == "id":
        return "gen_random_uuid()" if field.sql_type == "uuid" else None
    if field.name in SERVICE_FIELDS:
        return "now()"
    value = None if field.required or field not in model.written else _stored_default(model, field.name)
    return None if value is None else literal(value, _spelling(field))


def _stored_default(model: Model, name: str) -> Any:  # noqa: ANN401 - what PostgreSQL gets for the type
    """Return a default in the form in which a value sent is stored."""
    try:
        return getattr(model.change.model_validate({name: model.create.model_fields[name].default}), name)
    except ValidationError as error:
        why = reason(error.errors(include_url=False, include_input=False)[0])
        raise ConfigurationError(f"The default of the field {model.name}.{name} is not valid: {why}.") from None


def literal(value: object, sql_type: str) -> str:
    """Return a value as an SQL constant of a type."""
    match value:
        case bool():
            return str(value).lower()
        case list():
            return f"{quote_text(array_text(value))}::{sql_type}"
        case date():  # or datetime
            return f"{quote_text(value.isoformat())}::{sql_type}"
    return f"{quote_text(str(value))}::{sql_type}"


def check_of(field: Field) -> Check:
    """Return the check that the texts of a field are those that are declared, whatever their order."""
    texts = f"ARRAY[{', '.join(quote_text(text) for text in sorted(field.texts))}]::text[]"
    column = quote(field.name)
    definition = f"CHECK ({column} <@ {texts})" if field.is_list else f"CHECK ({column} = ANY ({texts}))"
    digest = sha256(definition.encode()).hexdigest()[:8]
    return Check(constraint_name(field.name, f"texts_{digest}"), field.name, definition)


def _foreign_key(relation: Relation) -> ForeignKey:
    """Return the foreign key of a relation. Its columns are chosen here alone."""
    _check_name(relation.model, relation.constraint)
    columns: tuple[str, ...] = (relation.field.name,)
    target_columns: tuple[str, ...] = ("id",)
    if relation.target.multi_tenant:  # so is the model itself: PostgreSQL checks foreign keys without policies
        columns, target_columns = (TENANT, *columns), (TENANT, *target_columns)
    return ForeignKey(relation.constraint, columns, relation.target.table, target_columns)


def _indexes(model: Model) -> list[Index]:
    """Return the indexes that a model declares, and one for each relation whose field none of them begins with.

    By it the rows are found that refer to one that is deleted.
    """
    declared = [_index(model, declaration) for declaration in model.indexes]
    found = {index.columns[1 if model.multi_tenant else 0] for index in declared if not index.present}
    fields = [relation.field.name for relation in model.relations if relation.field.name not in found]
    for name in fields:
        _check_name(model, f"{model.table}_{name}_idx")
    return [
        *declared,
        *(Index(f"{model.table}_{name}_idx", _of_tenant(model, (name,)), unique=False) for name in fields),
        *([] if model.search is None else _search_indexes(model, model.search)),
    ]


def _search_indexes(model: Model, search: Search) -> list[Index]:
    """Return the index of the words of the texts that are searched, and that of their parts."""
    parts = ", ".join(f"{quote(field.name)} gin_trgm_ops" for field in search.fields)
    indexed = {"words": search_expressions.words(search), "parts": parts}
    expressions = {
        kind: f"gin ({what}) WITH (gin_pending_list_limit = {_PENDING_KIB})" for kind, what in indexed.items()
    }
    return [
        Index(
            constraint_name(model.table, f"{kind}_{sha256(expression.encode()).hexdigest()[:8]}"),
            (),
            unique=False,
            expression=expression,
        )
        for kind, expression in expressions.items()
    ]


def _index(model: Model, declaration: Mapping[str, Any]) -> Index:
    if unknown := declaration.keys() - _INDEX_KEYS:
        raise _unusable_index(model, declaration, f"has the unknown key {', '.join(sorted(unknown))}")
    name, fields = declaration.get("name"), declaration.get("fields")
    if not isinstance(name, str) or not name or not fields:
        raise _unusable_index(model, declaration, "lacks a name or fields")
    _check_name(model, name)
    if missing := [field for field in fields if field not in {known.name for known in model.fields}]:
        raise _unusable_index(model, declaration, f"names {', '.join(missing)}, which the model has not")
    unique = bool(declaration.get("unique", False))
    return Index(name, _of_tenant(model, tuple(fields)), unique, present=unique and model.soft_delete)


def _unusable_index(model: Model, declaration: Mapping[str, Any], reason: str) -> ConfigurationError:
    example = '{"name": "products_sku_key", "fields": ["sku"], "unique": True}'
    return ConfigurationError(
        f"The index {dict(declaration)} of the model {model.name} {reason}. Write it like {example}."
    )


def _check_name(model: Model, name: str) -> None:
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ConfigurationError(
            f"The model {model.name} names {name!r}, which PostgreSQL would cut off: use at most {MAX_NAME_BYTES} bytes."
        )


def _refuse_repeated(kind: str, names: Iterable[str]) -> None:
    if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
        raise ConfigurationError(
            f"The {kind} {', '.join(repeated)} is declared more than once. Give each its own name."
        )
