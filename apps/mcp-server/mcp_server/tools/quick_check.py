"""Checks of JSON values that are made once of a schema, for the keywords that most schemas of tools have.

A check returns True only for a value that is valid; jsonschema, which takes ten times as long, decides about all others,
and about schemas with further keywords. Both agree: a test compares them. (jsonschema-rs would replace both, in 0.5 us for
each check instead of 3, but 0.61 has 15 MB, and no limit on its time.)
"""

from collections.abc import Callable, Mapping
from typing import Any

from mcp_server.tools.patterns import compile_pattern

type Check = Callable[[Any], bool]

_NO_RULE = frozenset({"$schema", "title", "description", "default", "examples", "deprecated", "x-mcp-header"})


class _UnknownKeywordError(Exception):
    """The schema has a keyword that is not known here."""


def make_check(schema: object) -> Check | None:
    """Return the check of a schema; None for a schema with keywords that are not known here."""
    try:
        return _check(schema)
    except _UnknownKeywordError:
        return None


def _check(schema: object) -> Check:
    if not isinstance(schema, dict):
        raise _UnknownKeywordError
    checks = [_type_check(schema["type"])] if "type" in schema else []
    if "properties" in schema or "additionalProperties" in schema:
        checks.append(_members_check(schema))
    for keyword, value in schema.items():
        if keyword in _NO_RULE or keyword in {"type", "properties", "additionalProperties"}:
            continue
        checks.append(_keyword_check(keyword, value))
    return _all(checks)


def _all(checks: list[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:  # noqa: PLR2004  most schemas of values
        first, second = checks
        return lambda value: first(value) and second(value)
    return lambda value: all(check(value) for check in checks)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, Check] = {
    "object": lambda value: type(value) is dict,
    "array": lambda value: type(value) is list,
    "string": lambda value: type(value) is str,
    "boolean": lambda value: type(value) is bool,
    "integer": lambda value: type(value) is int,  # 1.0 is one too, about which jsonschema decides
    "number": _is_number,
    "null": lambda value: value is None,
}


def _type_check(name: object) -> Check:
    if not isinstance(name, str) or name not in _TYPES:
        raise _UnknownKeywordError
    return _TYPES[name]


def _members_check(schema: Mapping[str, Any]) -> Check:
    checks = {name: _check(member) for name, member in schema.get("properties", {}).items()}
    others = schema.get("additionalProperties", True)
    other = None if isinstance(others, bool) else _check(others)

    def check(value: Any) -> bool:  # noqa: ANN401  any JSON value
        if type(value) is not dict:
            return True
        for name, member in value.items():
            known = checks.get(name, other)
            if known is not None:
                if not known(member):
                    return False
            elif others is False:
                return False
        return True

    return check


def _keyword_check(keyword: str, value: Any) -> Check:  # noqa: ANN401  any JSON value
    make = _KEYWORDS.get(keyword)
    if make is None:
        raise _UnknownKeywordError
    return make(value)


def _required(names: list[str]) -> Check:
    wanted = frozenset(names)
    return lambda value: type(value) is not dict or wanted <= value.keys()


def _enum(values: list[Any]) -> Check:
    if not all(type(value) is str for value in values):  # 1, 1.0 and true are different values of JSON
        raise _UnknownKeywordError
    known = frozenset(values)
    return lambda value: type(value) is str and value in known


def _items(schema: object) -> Check:
    check = _check(schema)
    return lambda value: type(value) is not list or all(map(check, value))


def _pattern(text: str) -> Check:
    search = compile_pattern(text)
    return lambda value: type(value) is not str or search(value)


def _of_number(test: Callable[[Any], Callable[[Any], bool]]) -> Callable[[Any], Check]:
    def make(limit: Any) -> Check:  # noqa: ANN401  a number
        within = test(limit)
        return lambda value: not _is_number(value) or within(value)

    return make


def _of_size(kind: type[Any], *, least: bool) -> Callable[[Any], Check]:
    def make(limit: int) -> Check:
        if least:
            return lambda value: type(value) is not kind or len(value) >= limit
        return lambda value: type(value) is not kind or len(value) <= limit

    return make


_KEYWORDS: Mapping[str, Callable[[Any], Check]] = {
    "required": _required,
    "enum": _enum,
    "items": _items,
    "pattern": _pattern,
    "minimum": _of_number(lambda limit: lambda value: bool(value >= limit)),
    "maximum": _of_number(lambda limit: lambda value: bool(value <= limit)),
    "exclusiveMinimum": _of_number(lambda limit: lambda value: bool(value > limit)),
    "exclusiveMaximum": _of_number(lambda limit: lambda value: bool(value < limit)),
    "minLength": _of_size(str, least=True),
    "maxLength": _of_size(str, least=False),
    "minItems": _of_size(list, least=True),
    "maxItems": _of_size(list, least=False),
    "minProperties": _of_size(dict, least=True),
    "maxProperties": _of_size(dict, least=False),
}
