"""Validators of rows, made once at start from a model's annotations.

They read JSON text strictly: a number is not taken for text, an unknown field is refused, and what PostgreSQL could not
store unchanged is refused here, with the field's name, rather than by the database.
"""

import math
import types
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter, create_model

from nexus_chassis.errors import ConfigurationError

SQL_TYPES: Mapping[type, str] = {
    str: "text",
    bool: "boolean",
    int: "bigint",
    float: "double precision",
    Decimal: "numeric",
    datetime: "timestamptz",
    date: "date",
    UUID: "uuid",
    dict: "jsonb",
}

_CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
_BIGINT = range(-(2**63), 2**63)


def sql_type(model: str, field: str, annotation: Any) -> str:  # noqa: ANN401 - an annotation is any object
    """Give the PostgreSQL type of a field.

    Raises:
        ConfigurationError: No column type is known for the annotation.
    """
    plain = _plain(annotation)
    found = SQL_TYPES.get(get_origin(plain) or plain)
    if found is None:
        known = ", ".join(kind.__name__ for kind in SQL_TYPES)
        raise ConfigurationError(
            f"The field {model}.{field} is annotated {annotation}, for which no column type is known. "
            f"Use one of {known}, optionally with '| None'."
        )
    return found


def is_nullable(annotation: Any) -> bool:  # noqa: ANN401 - an annotation is any object
    """Tell whether a field may be null."""
    bare = _without_metadata(annotation)
    return get_origin(bare) in {Union, types.UnionType} and type(None) in get_args(bare)


def identifier(annotation: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - an annotation is any object
    """Make the validator of the id in an address."""
    return TypeAdapter(_storable(annotation))


def creation(model: type, annotations: Mapping[str, Any], written: list[str]) -> type[BaseModel]:
    """Make the validator of a new row: each field by its annotation, with the model's default where it has one."""
    fields: dict[str, Any] = {name: (_storable(annotations[name]), getattr(model, name, ...)) for name in written}
    return create_model(model.__name__, __config__=_CONFIG, __doc__=model.__doc__, **fields)


def modification(model: type, annotations: Mapping[str, Any], written: list[str]) -> type[BaseModel]:
    """Make the validator of a change: any of the fields, and only those sent are set."""
    fields: dict[str, Any] = {name: (_storable(annotations[name]), None) for name in written}
    return create_model(f"{model.__name__}Change", __config__=_CONFIG, **fields)


def _storable(annotation: Any) -> Any:  # noqa: ANN401 - an annotation is any object
    checks = [AfterValidator(_refuse_unstorable)]
    if _plain(annotation) is int:
        checks.append(AfterValidator(_refuse_beyond_bigint))
    return Annotated[annotation, *checks]


def _refuse_unstorable(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str) and "\0" in value:
        raise ValueError("contains the character U+0000, which PostgreSQL cannot store; leave it out")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("is a number too large to store, or not a number")
    if isinstance(value, dict):
        _refuse_unstorable([*value, *value.values()])
    if isinstance(value, list):
        for item in value:
            _refuse_unstorable(item)
    return value


def _refuse_beyond_bigint(value: int | None) -> int | None:
    if value is not None and value not in _BIGINT:
        raise ValueError(f"is outside the range of a 64 bit integer, {_BIGINT.start} to {_BIGINT.stop - 1}")
    return value


def _plain(annotation: Any) -> Any:  # noqa: ANN401 - an annotation is any object
    """Give the type below `Annotated` and `| None`."""
    bare = _without_metadata(annotation)
    if get_origin(bare) in {Union, types.UnionType}:
        others = [part for part in get_args(bare) if part is not type(None)]
        return _plain(others[0]) if len(others) == 1 else bare
    return bare


def _without_metadata(annotation: Any) -> Any:  # noqa: ANN401 - an annotation is any object
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
