"""The quick checks of schemas agree with jsonschema wherever they say that a value is valid."""

import random
from itertools import product
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mcp_server.tools.quick_check import make_check
from mcp_server.tools.registry import Validator

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 1.0, 1.5, -1, 2**60, "", "a", "ab", "é", "123", [], [1], [1, "a"], ["a", "b", "c"], {},
    {"a": 1}, {"a": "x"}, {"a": None, "b": 2}, {"b": True}, {"c": {"a": 1}}, [[]], [{}],
)  # fmt: skip
PARTS: tuple[dict[str, Any], ...] = (
    {"type": "object"}, {"type": "array"}, {"type": "string"}, {"type": "integer"}, {"type": "number"},
    {"type": "boolean"}, {"type": "null"}, {"required": ["a"]}, {"enum": ["a", "ab"]}, {"minimum": 1}, {"maximum": 1},
    {"exclusiveMinimum": 1}, {"exclusiveMaximum": 1}, {"minLength": 1}, {"maxLength": 1}, {"minItems": 1},
    {"maxItems": 2}, {"minProperties": 1}, {"maxProperties": 1}, {"pattern": "^[0-9]+$"}, {"items": {"type": "integer"}},
    {"properties": {"a": {"type": "integer"}}}, {"additionalProperties": False},
    {"properties": {"a": {}, "b": {"type": "boolean"}}, "additionalProperties": {"type": "object"}},
    {"title": "t", "description": "d", "default": 1},
)  # fmt: skip


@pytest.mark.parametrize("first", PARTS, ids=str)
def test_a_value_that_passes_is_valid_and_most_valid_ones_pass(first: dict[str, Any]) -> None:
    for second, value in product(PARTS, VALUES):
        schema = {**first, **second}
        check = make_check(schema)
        assert check is not None
        valid = Draft202012Validator(schema).is_valid(value)
        assert valid or not check(value), (schema, value)
        if valid and not isinstance(value, float) and "1.0" not in str(value):
            assert check(value), (schema, value)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/x", "$defs": {"x": {}}},
        {"anyOf": [{}]},
        {"type": ["string", "null"]},
        {"enum": [1]},
        {"properties": {"a": {"format": "date"}}},
        {"items": True},
    ],
)
def test_other_keywords_are_left_to_jsonschema(schema: dict[str, Any]) -> None:
    assert make_check(schema) is None
    dice = random.Random(1)  # noqa: S311  the same ones each time
    for value in dice.sample(VALUES, 10):
        assert (Validator(schema).faults(value) == "") == Draft202012Validator(schema).is_valid(value)


def test_a_reference_to_elsewhere_is_never_followed() -> None:
    for uri in ("http://127.0.0.1:1/schema.json", "file:///etc/passwd"):
        with pytest.raises(Exception, match="Unresolvable"):
            Validator({"$ref": uri}).faults({})
