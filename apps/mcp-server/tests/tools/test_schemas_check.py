"""Schemas that users register: what is refused, and what a hostile one costs."""

import time
from typing import Any

import pytest

from mcp_server.tools.bounded_validator import CheckTooLongError
from mcp_server.tools.patterns import MAX_SEARCHED
from mcp_server.tools.registry import Validator
from mcp_server.tools.schemas_check import UnacceptableSchemaError, check_registered_schema


def _nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"x": schema}}
    return schema


def _object(**members: Any) -> dict[str, Any]:  # noqa: ANN401  any schema
    return {"type": "object", **members}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (True, 'the schema must be an object with "type": "object"'),
        ({"type": "string"}, 'the schema must be an object with "type": "object"'),
        (_object(required="x"), "required: 'x' is not of type 'array'"),
        (_object(properties={"a": {"minimum": "1"}}), "properties/a/minimum: '1' is not of type 'number'"),
        (_object(**{"$schema": "http://json-schema.org/draft-07/schema#"}), "$schema must be"),
        (_object(**{"$ref": "http://127.0.0.1/x.json"}), "the reference 'http://127.0.0.1/x.json' leaves the schema"),
        (_object(items={"$ref": "file:///etc/passwd"}), "the reference 'file:///etc/passwd' leaves the schema"),
        (_object(**{"$dynamicRef": "other#x"}), "the reference 'other#x' leaves the schema"),
        (_object(**{"$ref": "#/$defs/none"}), "the reference '#/$defs/none' leads nowhere"),
        (_object(**{"$id": "http://127.0.0.1/"}), "$id is not supported"),
        (_nested(32), "the schema has more than 32 levels of subschemas"),
        (_nested(39), "the schema has more than 32 levels of subschemas"),
        (_nested(400), "the schema has more than 80 levels of JSON"),
        (_object(anyOf=[{}] * 1000), "the schema has more than 1000 subschemas"),
        (_object(patternProperties={"(a+)+$": {}}), "patternProperties is not supported"),
        (_object(properties={"a": {"pattern": "(?=a)"}}), "the pattern '(?=a)' is not supported: look-around"),
        (_object(properties={"a": {"pattern": r"(a)\1"}}), r"the pattern '(a)\\1' is not supported: backreferences"),
        (_object(properties={"a": {"pattern": "("}}), "the pattern '(' is not supported: unclosed group"),
        (_object(properties={"a": {"pattern": "(a{50}){50}"}}), "the pattern '(a{50}){50}' has 3050 places"),
    ],
)
def test_a_schema_beyond_the_limits_is_refused_with_the_reason(schema: Any, reason: str) -> None:  # noqa: ANN401
    with pytest.raises(UnacceptableSchemaError) as caught:
        check_registered_schema(schema)
    assert str(caught.value).startswith(reason)


def test_schemas_at_the_limits_are_accepted() -> None:
    check_registered_schema(_nested(31))
    check_registered_schema(_object(anyOf=[{}] * 999))
    tree = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    check_registered_schema(_object(**{"$ref": "#/$defs/node", "$defs": {"node": tree}}))
    check_registered_schema(
        _object(properties={"a": {"pattern": r"^\d{4}-\d{2}-\d{2}$"}, "b": {"pattern": "^(a{2}){9}$"}})
    )


def _anyof_bomb() -> dict[str, Any]:
    defs = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    return _object(properties={"x": {"$ref": "#/$defs/d0"}}, **{"$defs": {**defs, "d30": {"type": "string"}}})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (_anyof_bomb(), {"x": 1}),
        (_object(**{"$ref": "#"}), {}),
        (_object(properties={"x": {"items": {"oneOf": [{"minimum": n} for n in range(900)]}}}), {"x": [1] * 50_000}),
    ],
    ids=["anyOf bomb", "endless reference", "many alternatives of many items"],
)
def test_a_check_that_takes_long_ends(schema: dict[str, Any], value: object) -> None:
    check_registered_schema(schema)
    validator = Validator(schema)
    started = time.thread_time()
    with pytest.raises(CheckTooLongError):
        validator.faults(value)
    assert time.thread_time() - started < 0.5  # 0.05 and what one step takes, which differs between machines


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"properties": {"x": {"pattern": "^(a+)+$"}}}, {"x": "a" * (MAX_SEARCHED - 1) + "b"}),
        ({"properties": {"x": {"pattern": "^(a|a?)+$"}}}, {"x": "a" * (MAX_SEARCHED - 1) + "b"}),
        ({"properties": {"x": {"pattern": "x"}}}, {"x": "x" * (MAX_SEARCHED + 1)}),
        ({"properties": {"x": {"uniqueItems": True}}}, {"x": [{"n": n} for n in range(5_000)] + [{"n": 1.0}]}),
    ],
    ids=["ReDoS", "ReDoS by alternatives", "long string", "unique objects"],
)
def test_what_takes_long_elsewhere_is_quick(schema: dict[str, Any], value: object) -> None:
    schema["type"] = "object"
    check_registered_schema(schema)
    validator = Validator(schema)
    started = time.thread_time()
    assert validator.faults(value) != ""
    assert time.thread_time() - started < 0.1


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([1, True], True),
        ([1, 1.0], False),
        ([[1], [True]], True),
        ([{"a": 0}, {"a": False}], True),
        ([{}, {}], False),
        (["1", 1], True),
    ],
)
def test_items_are_unique_as_json_values(items: list[Any], *, unique: bool) -> None:
    assert (Validator({"uniqueItems": True}).faults(items) == "") is unique
