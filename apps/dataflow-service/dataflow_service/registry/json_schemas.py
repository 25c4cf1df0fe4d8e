"""The JSON Schema of values as they are answered."""

from collections.abc import Mapping
from typing import Any

from dataflow_service.registry.model import Field

type Schema = dict[str, Any]

_TYPES: Mapping[str, Schema] = {
    "text": {"type": "string"},
    "boolean": {"type": "boolean"},
    "bigint": {"type": "integer", "format": "int64"},
    "double precision": {"type": "number", "format": "double"},
    "numeric": {"type": "string", "description": "a decimal number without an exponent"},
    "timestamptz": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "uuid": {"type": "string", "format": "uuid"},
    "jsonb": {"type": ["object", "array"]},
}


def answered(field: Field) -> Schema:
    """Return the schema of a field's values; what is computed is read-only."""
    schema = _TYPES[field.sql_type.removesuffix("[]")]
    if field.texts:
        schema = {**schema, "enum": list(field.texts)}
    if field.is_list:
        schema = {"type": "array", "items": schema}
    found = {"anyOf": [schema, {"type": "null"}]} if field.nullable else schema
    return found if field.expression is None else {**found, "readOnly": True}
