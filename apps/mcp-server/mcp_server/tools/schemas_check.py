"""Limits of schemas that are registered by users: none makes the server fetch something, or work for long."""

from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from mcp_server.tools.patterns import UnsupportedPatternError, check_size, compile_pattern

MAX_DEPTH = 32
MAX_SUBSCHEMAS = 1000
_MAX_JSON_LEVELS = 2 * MAX_DEPTH + 16  # a subschema is at most two levels below the one that it is in
_REFERENCES = ("$ref", "$dynamicRef")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MAX_MESSAGE_LENGTH = 300


class UnacceptableSchemaError(ValueError):
    """A schema cannot be registered; the message says why."""


def check_registered_schema(schema: Any) -> None:  # noqa: ANN401  any JSON value
    """Check that a schema is one of JSON Schema 2020-12, for an object, and within the limits.

    Raises:
        UnacceptableSchemaError: It is not.
    """
    _check_levels(schema)
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise UnacceptableSchemaError('the schema must be an object with "type": "object"')
    try:
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(()))
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path))
        raise UnacceptableSchemaError(f"{place or '(all)'}: {error.message:.{_MAX_MESSAGE_LENGTH}}") from None
    resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
    for subschema in _subschemas(schema):
        _check_one(subschema, resolver)


def _check_levels(value: Any) -> None:  # noqa: ANN401  any JSON value
    """Refuse nesting that the checks after this one could not walk."""
    values, levels = [value], 0
    while values:
        levels += 1
        if levels > _MAX_JSON_LEVELS:
            raise UnacceptableSchemaError(f"the schema has more than {_MAX_JSON_LEVELS} levels of JSON")
        inner = [one.values() if isinstance(one, dict) else one for one in values if isinstance(one, dict | list)]
        values = [member for members in inner for member in members]


def _subschemas(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a schema and all in it."""
    level, found = [schema], [schema]
    for _ in range(MAX_DEPTH):
        inner = [sub.contents for one in level for sub in DRAFT202012.create_resource(one).subresources()]
        level = [one for one in inner if isinstance(one, dict)]
        found += level
        if len(found) > MAX_SUBSCHEMAS:
            raise UnacceptableSchemaError(f"the schema has more than {MAX_SUBSCHEMAS} subschemas")
    if level:
        raise UnacceptableSchemaError(f"the schema has more than {MAX_DEPTH} levels of subschemas")
    return found


def _check_one(schema: dict[str, Any], resolver: Any) -> None:  # noqa: ANN401  that of referencing
    if schema.get("$schema", _DIALECT).rstrip("#") != _DIALECT:
        raise UnacceptableSchemaError(f"$schema must be {_DIALECT}")
    if "patternProperties" in schema:
        raise UnacceptableSchemaError("patternProperties is not supported; use additionalProperties")
    if "$id" in schema:
        raise UnacceptableSchemaError("$id is not supported; refer by #/$defs/NAME")
    for keyword in _REFERENCES:
        if keyword in schema:
            _check_reference(schema[keyword], resolver)
    if "pattern" in schema:
        _check_pattern(schema["pattern"])


def _check_reference(reference: str, resolver: Any) -> None:  # noqa: ANN401  that of referencing
    if not reference.startswith("#"):
        raise UnacceptableSchemaError(f"the reference {reference!r:.200} leaves the schema; only #... is permitted")
    try:
        resolver.lookup(reference)
    except Unresolvable:
        raise UnacceptableSchemaError(f"the reference {reference!r:.200} leads nowhere") from None


def _check_pattern(pattern: str) -> None:
    try:
        check_size(pattern)
        compile_pattern(pattern)
    except UnsupportedPatternError as error:
        raise UnacceptableSchemaError(str(error)) from None
