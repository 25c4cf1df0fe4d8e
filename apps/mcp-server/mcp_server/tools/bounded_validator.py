"""jsonschema with a limit on its time, and without what takes quadratic or exponential time within one step."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from mcp_server.tools.patterns import MAX_SEARCHED, compile_pattern

MAX_SECONDS = 0.05
"""CPU time of one check."""

type _Check = Callable[[Any, Any, Any, Any], Iterable[ValidationError] | None]


class CheckTooLongError(Exception):
    """A value takes too long to check against its schema."""


class _Clock:
    """When the check that runs must end; checks neither wait nor run at the same time."""

    ends_at = 0.0


@lru_cache(4096)
def _search(pattern: str) -> Callable[[str], bool]:
    return compile_pattern(pattern)


def _pattern(_validator: object, pattern: str, instance: object, _schema: object) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _search(pattern)(instance):
        if len(instance) > MAX_SEARCHED:
            yield ValidationError(f"has {len(instance)} characters; a pattern permits at most {MAX_SEARCHED}")
        else:
            yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _unique_items(_validator: object, unique: object, instance: object, _schema: object) -> Iterator[ValidationError]:
    if unique is True and isinstance(instance, list) and len(set(map(_hashable, instance))) < len(instance):
        yield ValidationError(f"{instance!r} has non-unique elements")


def _hashable(value: Any) -> object:  # noqa: ANN401  any JSON value
    """Return what equals that of another value if they are the same in JSON, where 1 is 1.0, and not true."""
    if isinstance(value, dict):
        return frozenset((name, _hashable(member)) for name, member in value.items())
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    return (value,) if isinstance(value, bool) else value


def _timed(check: _Check) -> _Check:
    def timed(validator: object, value: object, instance: object, schema: object) -> Iterable[ValidationError] | None:
        if time.thread_time() > _Clock.ends_at:
            raise CheckTooLongError
        return check(validator, value, instance, schema)

    return timed


_CHECKS: dict[str, Any] = {**Draft202012Validator.VALIDATORS, "pattern": _pattern, "uniqueItems": _unique_items}
_TIMED = {keyword: _timed(check) for keyword, check in _CHECKS.items()}
_Validator = extend(Draft202012Validator, _TIMED)  # type: ignore[no-untyped-call]


def iter_errors(validator: Any, value: object) -> Iterator[ValidationError]:  # noqa: ANN401  of make_validator
    """Return the errors of a value, one at a time.

    Raises:
        CheckTooLongError: They take more than MAX_SECONDS, or the schema refers to itself without end.
    """
    _Clock.ends_at = time.thread_time() + MAX_SECONDS
    try:
        yield from validator.iter_errors(value)
    except RecursionError:
        raise CheckTooLongError from None


def make_validator(schema: Any, registry: Any) -> Any:  # noqa: ANN401  as jsonschema has them
    """Return a validator for `iter_errors`."""
    return _Validator(schema, registry=registry)
