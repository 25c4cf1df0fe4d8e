"""What callers read about models and their nodes."""

from typing import Any

from dataflow_service.registry.json_schemas import answered
from dataflow_service.registry.model import Field, Model, Registry, Relation, Search

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def summary(model: Model) -> dict[str, Any]:
    """Return what a model is and where its rows are."""
    return {
        "model": model.name,
        "summary": model.summary,
        "table": model.table,
        "rows": f"/v1/{model.path}",
        "fields": [field.name for field in model.fields],
        "nodes": [node.name for node in model.nodes],
    }


def description(model: Model) -> dict[str, Any]:
    """Return all about a model: each field's type, indexes, nodes, and the JSON Schema of a new row."""
    return {
        **summary(model),
        "fields": [_field(model, field) for field in model.fields],
        "indexes": list(model.indexes),
        "relations": [_relation(relation) for relation in model.relations],
        "search": None if model.search is None else _search(model.search),
        "multi_tenant": model.multi_tenant,
        "soft_delete": model.soft_delete,
        "schema": {"$schema": _DIALECT, **_schema(model)},
    }


def _schema(model: Model) -> dict[str, Any]:
    """Return the schema of a new row; what is computed of it is read-only."""
    schema = model.create.model_json_schema()
    computed = {field.name: answered(field) for field in model.fields if field.expression is not None}
    return schema | ({"properties": schema["properties"] | computed} if computed else {})


def _field(model: Model, field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": field.sql_type,
        "required": field.required,
        "nullable": field.nullable,
        "read_only": field.name not in model.names_of_new,
    }


def _relation(relation: Relation) -> dict[str, Any]:
    return {
        "name": relation.name,
        "field": relation.field.name,
        "model": relation.target.name,
        "on_delete": relation.on_delete,
    }


def _search(search: Search) -> dict[str, Any]:
    return {"fields": [field.name for field in search.fields], "language": search.language}


def nodes(registry: Registry) -> list[dict[str, Any]]:
    """Return the nodes that Kailash generated, of all models."""
    return [
        {"node": node.name, "model": node.model, "operation": node.operation, "parameters": node.parameters}
        for model in registry.models
        for node in model.nodes
    ]
