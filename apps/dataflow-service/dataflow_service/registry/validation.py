"""Validators of rows, made once at start from the rules of a model's fields.

They check JSON that was parsed with decimal numbers. They are strict: a number is not taken for text, an unknown field
is refused, and what PostgreSQL could not store unchanged is refused here, with the field's name.
"""

from collections.abc import Callable, Mapping
from types import GenericAlias
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, WrapValidator, create_model
from pydantic_core import ErrorDetails

from dataflow_service.registry import json_values
from dataflow_service.registry.field_types import SQL_TYPES, STRICT, FieldType, rules, sendable


def creation(
    model: type, types: Mapping[str, FieldType], written: list[str], own_id: Mapping[str, Any]
) -> type[BaseModel]:
    """Make the validator of a new row: each field by its rules, with the model's default where it has one.

    `own_id` has the field of an id that callers choose.
    """
    fields = {**own_id} | {name: (types[name].rules, sendable(getattr(model, name, ...))) for name in written}
    config = ConfigDict(**STRICT, validate_default=True)  # a default is stored in the same form as a value sent
    return create_model(model.__name__, __config__=config, __doc__=model.__doc__, **fields)


def modification(model: type, types: Mapping[str, FieldType], written: list[str]) -> type[BaseModel]:
    """Make the validator of a change: any of the fields, and only those sent are set."""
    fields: dict[str, Any] = {name: (types[name].rules, None) for name in written}
    return create_model(f"{model.__name__}Change", __config__=STRICT, **fields)


def _compared_json(value: object, check: Callable[[Any], Any]) -> str | None:
    return json_values.json_text(value) if isinstance(value, list) else json_values.to_json_text(value, check)


_COMPARED = ConfigDict(strict=True, allow_inf_nan=False)
_VALUES: Mapping[str, TypeAdapter[Any]] = {
    **{name: TypeAdapter(rules(name, kind), config=_COMPARED) for kind, name in SQL_TYPES.items()},
    **{
        f"{name}[]": TypeAdapter(rules(name, GenericAlias(list, (kind,))), config=_COMPARED)
        for kind, name in SQL_TYPES.items()
    },
    "jsonb": TypeAdapter(Annotated[dict[str, Any], WrapValidator(_compared_json)], config=_COMPARED),
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
        case "extra_forbidden":
            return "is not known here; leave it out"
    return item["msg"]
