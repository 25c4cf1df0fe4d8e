"""Validators of rows, made once at start from a model's annotations.

They check JSON that was parsed with decimal numbers. They are strict: a number is not taken for text, an unknown field
is refused, and what PostgreSQL could not store unchanged is refused here, with the field's name.
"""

import types
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    WrapValidator,
    create_model,
)
from pydantic_core import ErrorDetails

from dataflow_service.registry import json_values
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

_VALIDATORS: Mapping[type, object] = {
    str: AfterValidator(json_values.check_text),
    int: AfterValidator(json_values.check_bigint),
    float: BeforeValidator(json_values.to_double),
    Decimal: BeforeValidator(json_values.to_decimal),
    datetime: BeforeValidator(json_values.to_datetime),
    date: BeforeValidator(json_values.to_date),
    UUID: BeforeValidator(json_values.to_uuid),
    dict: WrapValidator(json_values.to_json_text),
}

_CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def _storable(annotation: Any) -> Any:  # noqa: ANN401 - an annotation is any object
    validator = _VALIDATORS.get(plain_type(annotation))
    return annotation if validator is None else Annotated[annotation, validator]


def sql_type(model: str, field: str, annotation: Any) -> str:  # noqa: ANN401 - an annotation is any object
    """Return the PostgreSQL type of a field.

    Raises:
        ConfigurationError: No column type is known for the annotation.
    """
    found = SQL_TYPES.get(plain_type(annotation))
    if found is None:
        known = ", ".join(kind.__name__ for kind in SQL_TYPES)
        raise ConfigurationError(
            f"The field {model}.{field} is annotated {annotation}, for which no column type is known. "
            f"Use one of {known}, optionally with '| None'."
        )
    return found


def is_nullable(annotation: Any) -> bool:  # noqa: ANN401 - an annotation is any object
    """Whether a field may be null."""
    bare = _without_metadata(annotation)
    return get_origin(bare) in {Union, types.UnionType} and type(None) in get_args(bare)


def creation(model: type, annotations: Mapping[str, Any], written: list[str]) -> type[BaseModel]:
    """Make the validator of a new row: each field by its annotation, with the model's default where it has one."""
    fields: dict[str, Any] = {name: (_storable(annotations[name]), getattr(model, name, ...)) for name in written}
    config = ConfigDict(**_CONFIG, validate_default=True)  # a default is stored in the same form as a value sent
    return create_model(model.__name__, __config__=config, __doc__=model.__doc__, **fields)


def modification(model: type, annotations: Mapping[str, Any], written: list[str]) -> type[BaseModel]:
    """Make the validator of a change: any of the fields, and only those sent are set."""
    fields: dict[str, Any] = {name: (_storable(annotations[name]), None) for name in written}
    return create_model(f"{model.__name__}Change", __config__=_CONFIG, **fields)


def plain_type(annotation: Any) -> type:  # noqa: ANN401 - an annotation is any object
    """Return the type below `Annotated` and `| None`, without its arguments."""
    bare = _without_metadata(annotation)
    if get_origin(bare) in {Union, types.UnionType}:
        others = [part for part in get_args(bare) if part is not type(None)]
        return plain_type(others[0]) if len(others) == 1 else object
    plain: type = get_origin(bare) or bare
    return plain


def _without_metadata(annotation: Any) -> Any:  # noqa: ANN401 - an annotation is any object
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


_VALUES: Mapping[str, TypeAdapter[Any]] = {
    name: TypeAdapter(_storable(kind), config=ConfigDict(strict=True, allow_inf_nan=False))
    for kind, name in SQL_TYPES.items()
}


def check_value(sql_type: str, value: object) -> Any:  # noqa: ANN401 - what PostgreSQL gets for the type
    """Return what PostgreSQL gets for a value that a field of this type is compared with.

    It follows the rules of the field's type, and not those that a model adds for its rows, such as a pattern.

    Raises:
        ValueError: The type has no such value; the text continues the sentence that begins with the field's name.
    """
    try:
        return _VALUES[sql_type].validate_python(value)
    except ValidationError as error:
        raise ValueError(reason(error.errors(include_url=False, include_input=False)[0])) from None


def reason(item: ErrorDetails) -> str:
    """Return what is wrong with a value."""
    match item["type"]:
        case "missing":
            return "is missing"
        case "value_error":
            return str(item["ctx"]["error"])
    return item["msg"]
