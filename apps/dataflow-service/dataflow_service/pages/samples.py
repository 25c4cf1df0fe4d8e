"""Values for examples, made from the JSON Schema of a model."""

from collections.abc import Mapping
from typing import Any

from dataflow_service.registry.model import Model

type _Schema = Mapping[str, Any]

_TEXTS: Mapping[str, str] = {
    "date-time": "2026-02-03T04:05:06Z",
    "date": "2026-02-03",
    "uuid": "6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11",
}
_VALUES: Mapping[str, Any] = {"boolean": True, "integer": 1, "number": 1.5, "null": None, "array": []}


def sample_row(model: Model) -> dict[str, Any]:
    """Return a row with the fields that must be sent, by their examples and types; other rules may refuse its values."""
    schema = model.create.model_json_schema()
    return {name: _value(schema["properties"][name], schema) for name in schema.get("required", [])}


def _value(part: _Schema, root: _Schema) -> Any:  # noqa: ANN401 - any JSON value
    for known in ("examples", "enum"):
        if known in part:
            return part[known][0]
    if "anyOf" in part:
        return _value(part["anyOf"][0], root)
    if "$ref" in part:
        return _value(root["$defs"][part["$ref"].rpartition("/")[2]], root)
    match part.get("type"):
        case "string":
            return _TEXTS.get(part.get("format", ""), "text")
        case "object":
            return {name: _value(part["properties"][name], root) for name in part.get("required", [])}
    return _VALUES.get(part.get("type", ""), "text")
