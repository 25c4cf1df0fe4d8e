"""Writes the operations on rows out for each model: its paths, the fields of its rows, and the bodies that it takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from dataflow_service.registry.json_schemas import answered
from dataflow_service.registry.model import Model, Relation

type Schema = dict[str, Any]

_ROWS = "/v1/{path}"
_RESTORE = "/restore"
_COMPONENTS = "#/components/schemas/"
_BODIES: Mapping[str, str] = {"post": "Values", "put": "Values", "patch": "Change"}


def with_models(document: Schema, models: Sequence[Model]) -> Schema:
    """Return an OpenAPI document in which each operation on the rows of `{path}` stands once for each model."""
    paths: Schema = {}
    for path, item in document["paths"].items():
        if path.startswith(_ROWS):
            served = [model for model in models if model.soft_delete or not path.endswith(_RESTORE)]
            paths |= {f"/v1/{model.path}{path.removeprefix(_ROWS)}": _item(item, model) for model in served}
        else:
            paths[path] = _named(item, _NAMES[path]) if path in _NAMES else item
    schemas = {name: schema for name, schema in document["components"]["schemas"].items() if name not in _GENERIC}
    for model in models:
        schemas |= _schemas(model)
    schemas["ModelName"] = {"type": "string", "enum": [model.name for model in models]}
    schemas["NodeName"] = {"type": "string", "enum": [node.name for model in models for node in model.nodes]}
    return {**document, "paths": paths, "components": {**document["components"], "schemas": schemas}}


_GENERIC = frozenset({"Row", "RowPage"})
_NAMES: Mapping[str, str] = {"/v1/models/{name}": "ModelName", "/v1/nodes/{name}/execute": "NodeName"}
"""What is in the place of `{name}`."""


def _named(item: Schema, component: str) -> Schema:
    named = {"schema": {"$ref": _COMPONENTS + component}}
    return {
        method: {
            **operation,
            "parameters": [one | (named if one["name"] == "name" else {}) for one in operation["parameters"]],
        }
        for method, operation in item.items()
    }


def _item(item: Schema, model: Model) -> Schema:
    return {method: _operation(method, operation, model) for method, operation in item.items()}


def _operation(method: str, operation: Schema, model: Model) -> Schema:
    answers = {"Row": model.name, "RowPage": f"{model.name}Page"}
    body = "Replacement" if method == "put" and model.has_own_ids else _BODIES.get(method, "")
    bodies = {"Row": f"{model.name}{body}"}
    absent = {"path"} | {name for name, has in (("search", model.search), ("deleted", model.soft_delete)) if not has}
    written = {
        **_renamed(operation, answers),
        "operationId": f"{model.path}_{operation['operationId']}",
        "tags": [model.name],
        "parameters": [one for one in operation.get("parameters", []) if one["name"] not in absent],
    }
    if operation["operationId"] == "row_replace" and not model.has_own_ids:
        written["responses"] = {code: answer for code, answer in written["responses"].items() if code != "201"}
    return written | ({"requestBody": _renamed(operation["requestBody"], bodies)} if "requestBody" in operation else {})


def _renamed(node: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    """Return JSON whose references to the components `names` refer to others."""
    if isinstance(node, list):
        return [_renamed(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _renamed(value, names) for key, value in node.items()}
    name = str(node.get("$ref", "")).removeprefix(_COMPONENTS)
    return found | ({"$ref": _COMPONENTS + names[name]} if name in names else {})


def _schemas(model: Model) -> Schema:
    values = _body(f"{model.name}Values", model.create.model_json_schema(ref_template=_COMPONENTS + "{model}"))
    sent = values[f"{model.name}Values"]["properties"]
    # What is in a JSON field is answered as it is sent.
    properties = {
        field.name: sent[field.name] if field.sql_type == "jsonb" and field.name in sent else answered(field)
        for field in model.fields
    }
    related = {relation.name: _related(relation) for relation in model.relations}
    row = {"type": "object", "title": model.name, "description": model.summary, "properties": properties | related}
    page = {
        "type": "object",
        "title": f"{model.name}Page",
        "description": "Rows with the fields asked for; `next` is the `after` of the page after this one, null on the last.",
        "properties": {
            "items": {"type": "array", "items": {"type": "object", "properties": properties | related}},
            "next": {"type": ["string", "null"]},
        },
        "required": ["items", "next"],
    }
    return {
        model.name: {**row, "required": list(properties)},
        f"{model.name}Page": page,
        **values,
        **_replacement(model, values[f"{model.name}Values"]),
        **_change(f"{model.name}Change", model.change.model_json_schema(ref_template=_COMPONENTS + "{model}")),
    }


def _related(relation: Relation) -> Schema:
    """Return the row that a field refers to, which is there if the request expands it."""
    target = {"$ref": _COMPONENTS + relation.target.name}
    return {"anyOf": [target, {"type": "null"}], "description": f"with expand={relation.field.name}"}


def _replacement(model: Model, values: Schema) -> Schema:
    """Return the body of PUT where the address has the id, also of a new row."""
    if not model.has_own_ids:
        return {}
    required = [name for name in values.get("required", []) if name != "id"]
    name = f"{model.name}Replacement"
    return {name: {**values, "title": name, "required": required}}


def _change(name: str, schema: Schema) -> Schema:
    found = _body(name, schema)
    return {**found, name: {**found[name], "minProperties": 1}}


def _body(name: str, schema: Schema) -> Schema:
    """Return a body without defaults: generators of clients take a property that has one for required."""
    nested = schema.pop("$defs", {})
    properties = {key: {**value} for key, value in schema["properties"].items()}
    for value in properties.values():
        value.pop("default", None)
    return {**nested, name: {**schema, "title": name, "properties": properties}}
