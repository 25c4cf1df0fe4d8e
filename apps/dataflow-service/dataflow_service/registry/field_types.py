"""The types of fields: the column that stores each, and the rules for what callers send.

The rules are annotations for pydantic. What is in a list or in a class of members follows the same rules as a field.
"""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from types import GenericAlias
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    ReadOnly,
    Required,
    TypedDict,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    TypeAdapter,
    WrapValidator,
    create_model,
)
from pydantic_core import CoreSchema

from dataflow_service.registry import json_values
from dataflow_service.registry.annotations import (
    bare,
    choices,
    is_class_of_members,
    is_nullable,
    plain_type,
    replaced,
)
from nexus_chassis.errors import ConfigurationError

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
"""How values are checked: none is converted, and no member is ignored."""

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


@dataclass(frozen=True, slots=True)
class _Described:
    """What JSON Schemas say of a type; the field's own limits are narrower."""

    keywords: Mapping[str, Any]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**self.keywords, **handler(schema)}


_BIGINT = _Described({"format": "int64", "minimum": json_values.BIGINT.start, "maximum": json_values.BIGINT.stop - 1})
_DECIMAL = _Described({"pattern": f"^{json_values.NUMBER.pattern}$"})  # of numbers that are sent as texts


_RULES: Mapping[type, tuple[object, ...]] = {
    str: (AfterValidator(json_values.check_text),),
    int: (AfterValidator(json_values.check_bigint), _BIGINT),
    float: (BeforeValidator(json_values.to_double),),
    Decimal: (
        BeforeValidator(json_values.to_decimal),
        PlainSerializer(json_values.decimal_text, when_used="unless-none"),
        _DECIMAL,
    ),
    datetime: (BeforeValidator(json_values.to_datetime),),
    date: (BeforeValidator(json_values.to_date),),
    UUID: (BeforeValidator(json_values.to_uuid),),
}
"""Of a Decimal inside JSON the text is stored: it is answered as that of a column."""

_KNOWN = (
    f"{', '.join(kind.__name__ for kind in SQL_TYPES)}, an Enum or Literal of texts, a BaseModel, a TypedDict, "
    "or a list of one of these"
)
_classes: dict[Any, Any] = {}


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of a field: its column, its rules, and the texts that alone it may have, if they are declared."""

    sql_type: str
    rules: Any
    texts: tuple[str, ...] = ()


def field_type(name: str, annotation: Any) -> FieldType:  # noqa: ANN401 - an annotation is any object
    """Return the type of the field `Model.field`.

    Raises:
        ConfigurationError: No column type is known for the annotation.
    """
    found = rules(name, annotation)
    if plain_type(annotation) is not list:
        return _column_type(annotation, found)
    element = get_args(bare(annotation))[0]
    if plain_type(element) in {list, dict}:
        raise ConfigurationError(
            f"The field {name} is annotated {annotation}. Write a BaseModel or TypedDict for what is in the list, "
            "or make the field a dict."
        )
    stored = _column_type(element, found)
    return stored if stored.sql_type == "jsonb" else FieldType(f"{stored.sql_type}[]", found, stored.texts)


def _column_type(annotation: Any, found: Any) -> FieldType:  # noqa: ANN401 - annotations are any objects
    kind = plain_type(annotation)
    if kind is dict:
        return FieldType("jsonb", Annotated[found, WrapValidator(json_values.to_json_text)])
    if is_class_of_members(kind):
        return FieldType("jsonb", Annotated[found, WrapValidator(_to_json_text(found))])
    texts = choices(annotation)
    return FieldType(SQL_TYPES[kind], found) if texts is None else FieldType("text", found, texts)


def _to_json_text(found: Any) -> Callable[[object, Callable[[Any], Any]], str | None]:  # noqa: ANN401 - an annotation is any object
    members: TypeAdapter[Any] = TypeAdapter(found)

    def to_json_text(value: object, check: Callable[[Any], Any]) -> str | None:
        return json_values.to_json_text(value, lambda sent: members.dump_python(check(sent), by_alias=True))

    return to_json_text


def rules(name: str, annotation: Any, within: tuple[Any, ...] = ()) -> Any:  # noqa: ANN401 - annotations are any objects
    """Return the rules for the values of an annotation. `within` are the classes that it is in.

    Raises:
        ConfigurationError: There are none for it.
    """
    kind = plain_type(annotation)
    if kind in _RULES:
        return Annotated[annotation, *_RULES[kind]]
    if kind in SQL_TYPES:
        return annotation
    return replaced(annotation, _type_rules(name, annotation, within))


def _type_rules(name: str, annotation: Any, within: tuple[Any, ...]) -> Any:  # noqa: ANN401 - annotations are any objects
    found = bare(annotation)
    if plain_type(found) is list and get_args(found):
        return GenericAlias(list, (_element_rules(name, get_args(found)[0], within),))
    if is_class_of_members(found):
        return _class_rules(name, found, within)
    if (texts := choices(found)) is not None:
        _check_texts(name, annotation, texts)
        return Literal[texts]
    raise ConfigurationError(
        f"The field {name} is annotated {annotation}, for which no column type is known. "
        f"Use one of {_KNOWN}, optionally with '| None'."
    )


def _element_rules(name: str, element: Any, within: tuple[Any, ...]) -> Any:  # noqa: ANN401 - annotations are any objects
    if is_nullable(element):
        raise ConfigurationError(
            f"The field {name} is a list of {element}, and what is in a list is never null. Leave '| None' out of it."
        )
    return rules(name, element, within)


def _check_texts(name: str, annotation: Any, texts: tuple[Any, ...]) -> None:  # noqa: ANN401 - an annotation is any object
    if not texts or any(type(text) is not str or "\0" in text for text in texts):
        raise ConfigurationError(
            f"The field {name} is annotated {annotation}, whose values are {', '.join(map(repr, texts)) or 'none'}. "
            "Use texts without U+0000."
        )


def _class_rules(name: str, found: Any, within: tuple[Any, ...]) -> Any:  # noqa: ANN401 - annotations are any objects
    """Return a class with the same members, each with its rules. It is the same for each field that has the class."""
    if found in within:
        raise ConfigurationError(f"The field {name} is annotated {found}, which contains itself. Use a dict for it.")
    if found not in _classes:
        make = _model if issubclass(found, BaseModel) else _typed_dict
        _classes[found] = make(found, (*within, found))
    return _classes[found]


def _model(found: type[BaseModel], within: tuple[Any, ...]) -> type[BaseModel]:
    members: dict[str, Any] = {}
    for name, member in found.model_fields.items():
        ruled = copy(member)
        ruled.default = sendable(member.default)
        members[name] = (rules(f"{found.__name__}.{name}", member.annotation, within), ruled)
    return create_model(
        found.__name__,
        __base__=found,
        __module__=found.__module__,
        __doc__=found.__doc__,
        __cls_kwargs__={**STRICT, "validate_default": True},
        **members,
    )


def sendable(default: Any) -> Any:  # noqa: ANN401 - a value of any type
    """Return a default in the form in which callers send it: the text of an Enum, the members of an object."""
    match default:
        case Enum():
            return default.value
        case BaseModel():
            return sendable(default.model_dump(by_alias=True))
        case dict():
            return {name: sendable(value) for name, value in default.items()}
        case list():
            return [sendable(value) for value in default]
    return default


def _typed_dict(found: Any, within: tuple[Any, ...]) -> Any:  # noqa: ANN401 - the class of a TypedDict has no type of its own
    members: dict[str, Any] = {}
    for name, annotation in get_type_hints(found, include_extras=True).items():
        member = rules(f"{found.__name__}.{name}", _unqualified(annotation), within)
        members[name] = member if name in found.__required_keys__ else NotRequired[member]
    make: Any = TypedDict
    made = make(found.__name__, members)
    made.__module__, made.__doc__, made.__pydantic_config__ = found.__module__, found.__doc__, STRICT
    return made


def _unqualified(annotation: Any) -> Any:  # noqa: ANN401 - an annotation is any object
    if get_origin(annotation) in {Required, NotRequired, ReadOnly}:
        return _unqualified(get_args(annotation)[0])
    return annotation
